//! What a call through this crate costs over the C call, for the smallest shape: training forward of 2x16x8x8, float, NCHW.
//! Medians over interleaved rounds. Both calls work on the same arrays, and without a workspace of the caller's: they get the same memory
//! from malloc. With different memory the addresses alone make more of a difference than what is measured.
//!
//!     cargo run --release --example overhead

use renorm::{Norm, Options, RunningMut, Shape};
use renorm_sys as sys;
use std::ptr::null;
use std::time::Instant;

const ROUNDS: usize = 301;
const CALLS: usize = 2000;

/// Nanoseconds for each of many calls.
fn time(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_nanos() as f64 / CALLS as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What a call writes.
struct Outputs {
    y: Vec<f32>,
    running_mean: Vec<f32>,
    running_var: Vec<f32>,
    mean: Vec<f64>,
    sigma: Vec<f64>,
}

impl Outputs {
    fn new() -> Self {
        Outputs {
            y: vec![0.0; 2 * 16 * 64],
            running_mean: vec![0.0; 16],
            running_var: vec![1.0; 16],
            mean: vec![0.0; 16],
            sigma: vec![0.0; 16],
        }
    }
}

fn main() {
    let norm = Norm::<f32>::new(Shape::nchw(2, 16, 64), Options::batch_norm()).unwrap();
    let x: Vec<f32> = (0..2 * 16 * 64).map(|i| (i * 37 % 101) as f32).collect();
    let (gamma, beta) = (vec![1f32; 16], vec![0f32; 16]);
    let mut outputs = Outputs::new();
    let desc = sys::renorm_desc {
        layout: sys::RENORM_NCHW,
        dtype: sys::RENORM_F32,
        n: 2,
        c: 16,
        s: 64,
        eps: 1e-5,
        momentum: 0.1,
        ..Default::default()
    };

    let (mut c, mut rust) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let args = sys::renorm_train_args {
            x: x.as_ptr().cast(),
            gamma: gamma.as_ptr().cast(),
            beta: beta.as_ptr().cast(),
            running_mean: outputs.running_mean.as_mut_ptr().cast(),
            running_var: outputs.running_var.as_mut_ptr().cast(),
            y: outputs.y.as_mut_ptr().cast(),
            mean: outputs.mean.as_mut_ptr(),
            sigma: outputs.sigma.as_mut_ptr(),
            ..Default::default()
        };
        // SAFETY: the arrays are as long as desc says, and nothing else uses them meanwhile.
        c.push(time(|| assert_eq!(unsafe { sys::renorm_train(&desc, &args, null()) }, sys::RENORM_OK)));
        rust.push(time(|| {
            let running = RunningMut { mean: &mut outputs.running_mean, var: &mut outputs.running_var };
            let call = norm.train((&x, &mut outputs.y)).gamma(&gamma).beta(&beta).running(running);
            call.mean(&mut outputs.mean).sigma(&mut outputs.sigma).run().unwrap();
        }));
    }
    let over = median(rust.iter().zip(&c).map(|(rust, c)| rust - c).collect());
    println!("C {:.1} ns, Rust {:.1} ns, Rust - C {:.1} ns", median(c), median(rust), over);
}
