//! Names the condition under which the Linux backend is part of the library, so that the
//! sources need not repeat it: on Linux, unless it is left out to prove that the rest does
//! without (`RUSTFLAGS='--cfg minidocker_simulation_only'`, as in `make simulation`).

fn main() {
    println!("cargo::rustc-check-cfg=cfg(linux_backend)");
    println!("cargo::rerun-if-changed=build.rs");
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let left_out = std::env::var_os("CARGO_CFG_MINIDOCKER_SIMULATION_ONLY").is_some();
    if is_linux && !left_out {
        println!("cargo::rustc-cfg=linux_backend");
    }
}
