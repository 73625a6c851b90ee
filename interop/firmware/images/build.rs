//! Links the images with the board's linker script.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Tboard.ld");
}
