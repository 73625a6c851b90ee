//! `include/ace.h` is what cbindgen makes of the crate now, and C and C++ compilers take it.

use std::{fs, path::PathBuf, process::Command};

fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn header_is_current() {
    let folder = crate_folder();
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new()
        .with_crate(&folder)
        .with_config(config)
        .generate()
        .unwrap();
    let mut made = Vec::new();
    bindings.write(&mut made);
    let path = folder.join("include/ace.h");
    if std::env::var_os("ACE_HEADER").is_some_and(|value| value == "write") {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(
        committed == String::from_utf8(made).unwrap(),
        "include/ace.h is not current: run `ACE_HEADER=write cargo test -p ace-ffi --test header` and commit it"
    );
}

/// Whether a C compiler takes this, warnings denied. Rust's own linker is `cc`: it is there wherever these tests are built.
fn compile(name: &str, program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join(name);
    fs::write(&source, program).unwrap();
    let compiled = Command::new("cc")
        .args([
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            "-fsyntax-only",
            "-I",
        ])
        .arg(crate_folder().join("include"))
        .arg(&source)
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
}

#[test]
fn a_c_compiler_takes_the_header() {
    compile(
        "header.c",
        "#include \"ace.h\"\n_Static_assert(sizeof(ace_status) == 4, \"status\");\nint main(void) { return ace_status_text(ACE_OK) == 0; }\n",
    );
}

#[test]
fn the_client_in_c_of_the_readme_compiles() {
    let readme = fs::read_to_string(crate_folder().join("../../README.md")).unwrap();
    let (_, rest) = readme.split_once("```c\n").unwrap();
    compile("readme.c", rest.split_once("```").unwrap().0);
}
