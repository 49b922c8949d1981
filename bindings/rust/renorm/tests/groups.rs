//! Groups and masks arrive where they belong.

use renorm::{Error, Gradient, GroupOrder, Mask, MaskKind, Norm, Options, RunningMut, Shape, Statistics, Status};

const SHAPE: Shape = Shape::nchw(6, 3, 5);

fn values(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 8.0 - 5.0).collect()
}

fn norm(shape: Shape, options: Options) -> Norm<f32> {
    Norm::new(shape, options).unwrap()
}

#[derive(Debug, PartialEq)]
struct Step {
    y: Vec<f32>,
    count: Vec<i64>,
    mean: Vec<f64>,
    sigma: Vec<f64>,
    m2: Vec<f64>,
    dx: Vec<f32>,
}

fn step(norm: &Norm<f32>, groups: usize, x: &[f32], dy: &[f32], mask: Option<Mask>) -> Result<Step, Error> {
    let zeros = || vec![0.0; groups * SHAPE.c];
    let mut s = Step { y: x.to_vec(), count: vec![0; groups], mean: zeros(), sigma: zeros(), m2: zeros(), dx: dy.to_vec() };
    let (mut running_mean, mut running_var) = (vec![0.0; SHAPE.c], vec![1.0; SHAPE.c]);
    let running = RunningMut { mean: &mut running_mean, var: &mut running_var };
    let mut call = norm.train(s.y.as_mut_slice()).running(running);
    if let Some(mask) = mask {
        call = call.mask(mask);
    }
    call.count(&mut s.count).mean(&mut s.mean).sigma(&mut s.sigma).m2(&mut s.m2).run()?;
    let statistics = Statistics { mean: &s.mean, sigma: &s.sigma };
    let mut call = norm.backward(Gradient::OverDy { x, dy: &mut s.dx }, statistics).count(&s.count);
    if let Some(mask) = mask {
        call = call.mask(mask);
    }
    call.run()?;
    Ok(s)
}

fn sample(tensor: &[f32], i: usize) -> &[f32] {
    &tensor[i * SHAPE.c * SHAPE.s..(i + 1) * SHAPE.c * SHAPE.s]
}

#[test]
fn a_group_is_a_batch_of_its_own() {
    let (x, dy) = (values(1, 90), values(2, 90));
    for order in [GroupOrder::Contiguous, GroupOrder::Interleaved] {
        let groups = 4; // of 2, 2, 1, 1 samples
        let members: [&[usize]; 4] = match order {
            GroupOrder::Contiguous => [&[0, 1], &[2, 3], &[4], &[5]],
            GroupOrder::Interleaved => [&[0, 4], &[1, 5], &[2], &[3]],
        };
        let all = step(&norm(SHAPE, Options::batch_norm().groups(groups, order)), groups, &x, &dy, None).unwrap();
        for (g, samples) in members.iter().enumerate() {
            let pick = |tensor: &[f32]| samples.iter().flat_map(|i| sample(tensor, *i).to_vec()).collect::<Vec<f32>>();
            let shape = Shape { n: samples.len(), ..SHAPE };
            let one = step(&norm(shape, Options::batch_norm()), 1, &pick(&x), &pick(&dy), None).unwrap();
            let statistics = g * SHAPE.c..(g + 1) * SHAPE.c;
            assert_eq!((pick(&all.y), pick(&all.dx), all.count[g]), (one.y, one.dx, one.count[0]), "{:?} group {}", order, g);
            assert_eq!((&all.mean[statistics.clone()], &all.m2[statistics]), (&one.mean[..], &one.m2[..]), "{:?} group {}", order, g);
        }
    }
}

#[test]
fn masked_positions_do_not_count() {
    let lengths = [5, 3, 0, 1, 4, 2];
    let bytes: Vec<u8> = lengths.iter().flat_map(|length| (0..5).map(move |k| u8::from(k < *length))).collect();
    let (x, dy) = (values(1, 90), values(2, 90));
    let of = |kind, mask| step(&norm(SHAPE, Options::batch_norm().mask(kind)), 1, &x, &dy, Some(mask)).unwrap();
    let (by_bytes, by_lengths) = (of(MaskKind::Bytes, Mask::Bytes(&bytes)), of(MaskKind::Lengths, Mask::Lengths(&lengths)));
    assert_eq!(by_bytes, by_lengths);
    assert_eq!(by_bytes.count, [lengths.iter().sum::<i64>()]);
    for i in 0..90 {
        if bytes[i / 15 * 5 + i % 5] == 0 {
            assert_eq!((by_bytes.y[i], by_bytes.dx[i]), (0.0, 0.0));
        }
    }
}

#[test]
fn masks_and_group_arrays_that_do_not_fit_are_errors() {
    let (x, dy) = (values(1, 90), values(2, 90));
    let plain = norm(SHAPE, Options::batch_norm());
    let bytes = norm(SHAPE, Options::batch_norm().mask(MaskKind::Bytes));
    let lengths = norm(SHAPE, Options::batch_norm().mask(MaskKind::Lengths));
    let error = |norm: &Norm<f32>, mask| step(norm, 1, &x, &dy, mask).unwrap_err();

    assert!(matches!(error(&bytes, Some(Mask::Bytes(&[1; 29]))), Error::Length { array: "mask", expected: 30, found: 29, .. }));
    assert!(matches!(error(&lengths, Some(Mask::Lengths(&[1; 7]))), Error::Length { array: "mask", expected: 6, found: 7, .. }));
    for (norm, mask) in [(&plain, Mask::Bytes(&[1; 30])), (&bytes, Mask::Lengths(&[1; 6])), (&lengths, Mask::Bytes(&[1; 30]))] {
        assert_eq!(error(norm, Some(mask)), Error::MaskKind);
    }
    assert!(matches!(error(&bytes, None), Error::Refused { status: Status::Null, .. }));
    assert!(matches!(error(&lengths, Some(Mask::Lengths(&[6; 6]))), Error::Refused { status: Status::Value, .. }));
    let grouped = norm(SHAPE, Options::batch_norm().groups(4, GroupOrder::Contiguous));
    assert!(matches!(step(&grouped, 1, &x, &dy, None).unwrap_err(), Error::Length { expected: 4, found: 1, .. }));
    assert!(Norm::<f32>::new(SHAPE, Options::batch_norm().groups(usize::MAX, GroupOrder::Contiguous)).is_err());
}
