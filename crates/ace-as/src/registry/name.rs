use super::RegistryError;

/// Longest name of a client or resource server, in characters.
const MAX_NAME: usize = 64;

/// Longest audience, in bytes: it stands at the head of every `cti`, and devices keep at most 40 bytes of that.
const MAX_AUDIENCE: usize = 32;

/// Names stand in commands, files and logs: letters, digits, `.`, `_` and `-`, not starting with `-` or `.`.
pub(super) fn check_name(name: &str) -> Result<(), RegistryError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty()
        || name.len() > MAX_NAME
        || !name.chars().all(plain)
        || name.starts_with(['-', '.'])
    {
        return Err(RegistryError::Name {
            name: name.to_owned(),
            max: MAX_NAME,
        });
    }
    Ok(())
}

/// Audiences are text of any script, without spaces or control characters.
pub(super) fn check_audience(audience: &str) -> Result<(), RegistryError> {
    let refused = |c: char| c.is_control() || c.is_whitespace();
    if audience.is_empty() || audience.len() > MAX_AUDIENCE || audience.chars().any(refused) {
        return Err(RegistryError::Audience {
            audience: audience.to_owned(),
            max: MAX_AUDIENCE,
        });
    }
    Ok(())
}
