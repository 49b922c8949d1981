//! Finds librenorm with pkg-config, or builds it with cmake where the feature `vendored` asks for that.

use std::env;
use std::path::PathBuf;
use std::process::{exit, Command};

/// The library this crate declares: its structs, constants and functions are all there from this version on.
const VERSION: &str = "0.1.0";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DOCS_RS");
    // Documentation is made without linking, on a machine that has neither the library nor a way to build it.
    if env::var_os("DOCS_RS").is_some() {
        return;
    }
    if env::var_os("CARGO_FEATURE_VENDORED").is_some() {
        build_vendored();
    } else {
        link_installed();
    }
}

fn link_installed() {
    for variable in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"] {
        println!("cargo:rerun-if-env-changed={}", variable);
    }
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let ask = |question: &str| run(Command::new(&program).args([question, "renorm"]));
    ask(&format!("--atleast-version={}", VERSION));
    println!("cargo:include={}", ask("--variable=includedir").trim_end());
    println!("cargo:rustc-link-search=native={}", ask("--variable=libdir").trim_end());
    println!("cargo:rustc-link-lib=renorm");
}

fn build_vendored() {
    let sources = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("vendor");
    let build = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("build");
    for part in ["CMakeLists.txt", "capi", "cmake", "include", "src"] {
        println!("cargo:rerun-if-changed={}", sources.join(part).display());
    }
    run(Command::new("cmake").arg("-S").arg(&sources).arg("-B").arg(&build).args([
        "-DCMAKE_BUILD_TYPE=Release",
        "-DRENORM_BUILD_TESTS=OFF",
        "-DRENORM_BUILD_BENCH=OFF",
        "-DRENORM_BUILD_EXAMPLES=OFF",
        "-DRENORM_OPENMP=OFF",
    ]));
    let jobs = env::var("NUM_JOBS").unwrap_or_else(|_| "1".into());
    run(Command::new("cmake").arg("--build").arg(&build).args(["--target", "renorm_static", "--parallel", &jobs]));
    println!("cargo:include={}", sources.join("include").display());
    println!("cargo:rustc-link-search=native={}", build.display());
    println!("cargo:rustc-link-lib=static=renorm");
    println!("cargo:rustc-link-lib=m");
}

/// What the command prints; where it fails, so does the build, with its messages.
fn run(command: &mut Command) -> String {
    match command.output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(output) => {
            eprintln!("{}", String::from_utf8_lossy(&output.stdout));
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            fail(&format!("{:?}: {}", command, output.status))
        }
        Err(error) => fail(&format!("{:?}: {}", command, error)),
    }
}

fn fail(reason: &str) -> ! {
    eprintln!("{}", reason);
    eprintln!(
        "librenorm {} or later is needed: set PKG_CONFIG_PATH to the folder of its renorm.pc, or use the feature `vendored`, \
         which builds it and needs cmake, a C++ compiler and xsimd",
        VERSION
    );
    exit(1)
}
