//! Puts the linker script where the linker of an image finds it: `-Tboard.ld`.

fn main() {
    println!("cargo:rerun-if-changed=board.ld");
    println!("cargo:rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
}
