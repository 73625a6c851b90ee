//! The vector files of this folder (see README.md).

use serde_json::Value;

/// The cases of one file; never none.
pub fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let Value::Array(cases) = serde_json::from_str::<Value>(&text).unwrap()["cases"].take() else {
        panic!("{path}: no cases");
    };
    assert!(!cases.is_empty(), "{path}: no cases");
    cases
}

/// The bytes of a hexadecimal field.
pub fn bytes(case: &Value, field: &str) -> Vec<u8> {
    hex::decode(
        case[field]
            .as_str()
            .unwrap_or_else(|| panic!("{field} of {case}")),
    )
    .unwrap()
}

/// How many cases should pass and how many should fail.
#[allow(dead_code, reason = "not every test binary has both")]
pub fn verdicts(cases: &[Value]) -> (usize, usize) {
    let pass = cases.iter().filter(|case| case["valid"] == true).count();
    (pass, cases.len() - pass)
}

/// Passes over a case whose algorithm is not there, which must be for the features' sake.
#[allow(dead_code, reason = "not every test binary has such cases")]
pub fn left_out(built_in: bool) {
    assert!(
        !built_in,
        "an algorithm is missing although its feature is on"
    );
}
