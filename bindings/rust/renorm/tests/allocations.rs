//! A call that is lent a workspace allocates nothing. What the library itself allocates, its own tests count.
#![allow(clippy::declare_interior_mutable_const)] // what thread_local! expands to

use renorm::{Norm, Op, Options, Shape, Workspace};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() -> usize {
    COUNT.with(Cell::get)
}

// SAFETY: the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        System.dealloc(pointer, layout);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn none_with_a_workspace() {
    let norm = Norm::<f32>::new(Shape::nchw(2, 16, 64), Options::batch_norm()).unwrap();
    let mut x = vec![1f32; 2 * 16 * 64];
    let mut workspace = Workspace::new();
    let before = count();
    workspace.reserve(&norm, Op::Train).unwrap();
    let reserved = count();
    assert_eq!(reserved, before + 1);
    for _ in 0..3 {
        norm.train(&mut x[..]).workspace(&mut workspace).run().unwrap();
    }
    assert_eq!(count(), reserved);
}
