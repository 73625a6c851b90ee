use super::AlgId;

/// Names and numbers of the algorithms this stack can meet (IANA "COSE Algorithms").
const ALGORITHMS: [(i64, &str); 26] = [
    (-8, "EdDSA"),
    (-7, "ES256"),
    (-10, "direct+HKDF-SHA-256"),
    (-11, "direct+HKDF-SHA-512"),
    (-35, "ES384"),
    (-36, "ES512"),
    (1, "A128GCM"),
    (2, "A192GCM"),
    (3, "A256GCM"),
    (4, "HMAC 256/64"),
    (5, "HMAC 256/256"),
    (6, "HMAC 384/384"),
    (7, "HMAC 512/512"),
    (10, "AES-CCM-16-64-128"),
    (11, "AES-CCM-16-64-256"),
    (12, "AES-CCM-64-64-128"),
    (13, "AES-CCM-64-64-256"),
    (14, "AES-MAC 128/64"),
    (15, "AES-MAC 256/64"),
    (24, "ChaCha20/Poly1305"),
    (25, "AES-MAC 128/128"),
    (26, "AES-MAC 256/128"),
    (30, "AES-CCM-16-128-128"),
    (31, "AES-CCM-16-128-256"),
    (32, "AES-CCM-64-128-128"),
    (33, "AES-CCM-64-128-256"),
];

/// The number of an algorithm given by number or by registered name (case-sensitive); `None` for a
/// name that is not in the table.
#[must_use]
pub fn algorithm_number(algorithm: AlgId<'_>) -> Option<i64> {
    match algorithm {
        AlgId::Int(number) => Some(number),
        AlgId::Text(name) => ALGORITHMS
            .iter()
            .find(|entry| entry.1 == name)
            .map(|(number, _)| *number),
    }
}

/// The registered name of an algorithm, if it is one this stack can meet.
#[must_use]
pub fn algorithm_name(number: i64) -> Option<&'static str> {
    ALGORITHMS
        .iter()
        .find(|entry| entry.0 == number)
        .map(|(_, name)| *name)
}
