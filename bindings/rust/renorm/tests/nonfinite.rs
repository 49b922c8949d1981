//! What is counted as not finite.

use renorm::{AffineMut, Moments, Norm, Options, Running, RunningMut, Shape};

/// Channels of a running variance that is finite, below `-eps`, and `-eps`.
const RUNNING: Running<f32> = Running { mean: &[1.0; 3], var: &[3.0, -2.0, -1.0] };

fn norm(shape: Shape) -> Norm<f32> {
    Norm::new(shape, Options::batch_norm().eps(1.0)).unwrap()
}

#[test]
fn maps_of_running_statistics() {
    let (norm, mut y, mut nonfinite) = (norm(Shape::dense(1, 3)), [0.0; 3], -1);
    norm.inference((&[5.0; 3], &mut y), RUNNING).nonfinite(&mut nonfinite).run().unwrap();
    assert_eq!((nonfinite, y[0]), (2, 2.0));
    assert!(!y[1].is_finite() && !y[2].is_finite(), "{:?}", y);

    let (mut center, mut scale, mut shift, mut nonfinite) = ([0.0; 3], [0.0; 3], [0.0; 3], -1);
    let map = AffineMut { center: &mut center, scale: &mut scale, shift: &mut shift };
    norm.coefficients(map).running(RUNNING).nonfinite(&mut nonfinite).run().unwrap();
    assert_eq!((nonfinite, scale[0]), (2, 0.5));

    let (mut bias, mut nonfinite) = ([0.0; 3], -1);
    norm.fold(RUNNING).folded_bias(&mut bias).nonfinite(&mut nonfinite).run().unwrap();
    assert_eq!((nonfinite, bias[0]), (2, -0.5));
}

#[test]
fn statistics_of_a_batch() {
    let norm = norm(Shape::dense(2, 3));
    let (mut mean, mut var, mut nonfinite) = ([0.0; 3], [1.0; 3], -1);
    let mut x = [1.0, f32::NAN, 5.0, 3.0, 4.0, 7.0];
    let running = RunningMut { mean: &mut mean, var: &mut var };
    norm.train(&mut x[..]).running(running).nonfinite(&mut nonfinite).run().unwrap();
    assert_eq!(nonfinite, 1);

    let (mut mean, mut var, mut nonfinite) = ([0.0; 3], [1.0; 3], -1);
    let moments = Moments { count: &[2], mean: &[f64::INFINITY, f64::NAN, 6.0], m2: &[2.0; 3] };
    norm.update_running(moments, RunningMut { mean: &mut mean, var: &mut var }).nonfinite(&mut nonfinite).run().unwrap();
    assert_eq!(nonfinite, 2);
}
