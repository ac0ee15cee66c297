//! Bytes in claims and records are hexadecimal in small letters.

/// Two digits for each byte. `hex::encode` collects characters one by one, which takes four times as long as digits written
/// in place, and a decision has thirty such texts.
pub(crate) fn hexadecimal(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut digits = vec![0; bytes.len().saturating_mul(2)];
    match hex::encode_to_slice(bytes, &mut digits) {
        Ok(()) => String::from_utf8(digits).unwrap_or_default(),
        // Not reached: there is room for all digits.
        Err(_) => hex::encode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::hexadecimal;

    #[test]
    fn it_is_what_others_write() {
        let all: Vec<u8> = (0..=255).collect();
        for length in [0, 1, 2, 31, 256] {
            assert_eq!(hexadecimal(&all[..length]), hex::encode(&all[..length]));
        }
    }
}
