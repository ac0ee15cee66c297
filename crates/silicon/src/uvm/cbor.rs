//! A writer for CBOR (RFC 8949), small enough to write forms that a strict encoder would refuse.

/// An item. Maps are written in the order given, whatever stands in them twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cbor {
    Int(i64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Tag(u64, Box<Self>),
    /// An item that is already encoded.
    Raw(Vec<u8>),
}

impl Cbor {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Int(value) => match u64::try_from(*value) {
                Ok(value) => head(0, value),
                // RFC 8949, section 3.1: -1 - n, which is the complement.
                Err(_) => head(1, u64::from_ne_bytes((!value).to_ne_bytes())),
            },
            Self::Bytes(bytes) => [head(2, count(bytes)), bytes.clone()].concat(),
            Self::Text(text) => [head(3, count(text.as_bytes())), text.as_bytes().to_vec()].concat(),
            Self::Array(items) => {
                [head(4, count(items)), items.iter().flat_map(Self::encode).collect()].concat()
            }
            Self::Map(items) => [head(5, count(items)), pairs(items)].concat(),
            Self::Tag(number, item) => [head(6, *number), item.encode()].concat(),
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

/// A map that ends with a mark (RFC 8949, section 3.2.2).
pub(super) fn indefinite_map(items: &[(Cbor, Cbor)]) -> Vec<u8> {
    [&[0xbf], &pairs(items)[..], &[0xff]].concat()
}

fn pairs(items: &[(Cbor, Cbor)]) -> Vec<u8> {
    items.iter().flat_map(|(key, value)| [key.encode(), value.encode()].concat()).collect()
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// Major type and number, in the shortest form.
fn head(major_type: u8, number: u64) -> Vec<u8> {
    let major = major_type << 5;
    match (u8::try_from(number), u16::try_from(number), u32::try_from(number)) {
        (Ok(short @ 0..24), ..) => vec![major | short],
        (Ok(number), ..) => vec![major | 24, number],
        (_, Ok(number), _) => [&[major | 25][..], &number.to_be_bytes()].concat(),
        (_, _, Ok(number)) => [&[major | 26][..], &number.to_be_bytes()].concat(),
        _ => [&[major | 27][..], &number.to_be_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of RFC 8949, appendix A.
    #[test]
    fn items_are_written_as_the_standard_shows() {
        let cases = [
            (Cbor::Int(10), "0a"),
            (Cbor::Int(24), "1818"),
            (Cbor::Int(1000), "1903e8"),
            (Cbor::Int(1_000_000), "1a000f4240"),
            (Cbor::Int(1_000_000_000_000), "1b000000e8d4a51000"),
            (Cbor::Int(-1), "20"),
            (Cbor::Int(-1000), "3903e7"),
            (Cbor::Bytes(vec![1, 2, 3, 4]), "4401020304"),
            (Cbor::text("IETF"), "6449455446"),
            (Cbor::Array(vec![Cbor::Int(1), Cbor::Array(vec![Cbor::Int(2)])]), "82018102"),
            (Cbor::Map(vec![(Cbor::text("a"), Cbor::Int(1))]), "a1616101"),
            (Cbor::Tag(1, Box::new(Cbor::Int(1_363_896_240))), "c11a514b67b0"),
        ];
        for (item, expected) in cases {
            assert_eq!(hex::encode(item.encode()), expected);
        }
    }
}
