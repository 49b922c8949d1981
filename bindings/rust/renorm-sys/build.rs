//! Finds librenorm with pkg-config, or builds it with cmake where the feature `vendored` asks for that; by the crates made for it, which
//! know the target, its compiler, and what the environment says of both.

use std::env;
#[cfg(feature = "vendored")]
use std::{fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DOCS_RS");
    // Documentation is made without linking, on a machine that has neither the library nor a way to build it.
    if env::var_os("DOCS_RS").is_none() {
        link();
    }
}

#[cfg(not(feature = "vendored"))]
fn link() {
    /// The library this crate declares: its structs, constants and functions are all there from this version on.
    const VERSION: &str = "0.1.0";

    let library = pkg_config::Config::new().atleast_version(VERSION).probe("renorm").unwrap_or_else(|error| {
        eprintln!("{}", error);
        eprintln!(
            "librenorm {} or later is needed: set PKG_CONFIG_PATH to the folder of its renorm.pc, or use the feature `vendored`, \
             which builds it and needs cmake, a C++ compiler and xsimd",
            VERSION
        );
        std::process::exit(1)
    });
    println!("cargo:include={}", library.include_paths[0].display());
}

#[cfg(feature = "vendored")]
fn link() {
    let sources = Path::new(&cargo("CARGO_MANIFEST_DIR")).join("vendor");
    for part in ["CMakeLists.txt", "capi", "cmake", "include", "src"] {
        println!("cargo:rerun-if-changed={}", sources.join(part).display());
    }
    rebuild_for_another_compiler();
    // What another compiler left would make cmake forget the options below.
    let _ = fs::remove_dir_all(Path::new(&cargo("OUT_DIR")).join("build"));

    let mut library = cmake::Config::new(&sources);
    for part in ["RENORM_BUILD_TESTS", "RENORM_BUILD_BENCH", "RENORM_BUILD_EXAMPLES", "RENORM_OPENMP"] {
        library.define(part, "OFF");
    }
    // cmake compiles for the system that it runs on unless told otherwise, whatever the compiler.
    if cargo("TARGET") != cargo("HOST") && cargo("CARGO_CFG_TARGET_OS") == "linux" {
        library.define("CMAKE_SYSTEM_NAME", "Linux").define("CMAKE_SYSTEM_PROCESSOR", cargo("CARGO_CFG_TARGET_ARCH"));
    }
    let built = library.profile("Release").build_target("renorm_static").build();
    println!("cargo:rustc-link-search=native={}", built.join("build").display());
    println!("cargo:rustc-link-lib=static=renorm");
    println!("cargo:rustc-link-lib=m");
    println!("cargo:include={}", sources.join("include").display());
}

/// Names the variables in which the crate `cc` looks for a compiler and its flags.
#[cfg(feature = "vendored")]
fn rebuild_for_another_compiler() {
    let target = cargo("TARGET");
    for tool in ["CC", "CXX", "CFLAGS", "CXXFLAGS"] {
        println!("cargo:rerun-if-env-changed={}", tool);
        for kind in ["HOST", "TARGET"] {
            println!("cargo:rerun-if-env-changed={}_{}", kind, tool);
        }
        for target in [&target, &target.replace('-', "_")] {
            println!("cargo:rerun-if-env-changed={}_{}", tool, target);
        }
    }
}

/// A variable that cargo sets.
#[cfg(feature = "vendored")]
fn cargo(name: &str) -> String {
    env::var(name).unwrap()
}
