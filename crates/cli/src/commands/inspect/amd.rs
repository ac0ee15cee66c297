//! AMD's extensions in certificates of endorsement keys, by their names (documents 57230, table 8, and 58369, table 8).

use x509_cert::der::Decode;
use x509_cert::der::asn1::{Ia5StringRef, OctetString};

use crate::document::Node;

pub(super) const NAMES: [(&str, &str); 13] = [
    ("1.3.6.1.4.1.3704.1.1", "AMD structVersion"),
    ("1.3.6.1.4.1.3704.1.2", "AMD productName"),
    ("1.3.6.1.4.1.3704.1.3.1", "AMD blSPL"),
    ("1.3.6.1.4.1.3704.1.3.2", "AMD teeSPL"),
    ("1.3.6.1.4.1.3704.1.3.3", "AMD snpSPL"),
    ("1.3.6.1.4.1.3704.1.3.4", "AMD spl4"),
    ("1.3.6.1.4.1.3704.1.3.5", "AMD spl5"),
    ("1.3.6.1.4.1.3704.1.3.6", "AMD spl6"),
    ("1.3.6.1.4.1.3704.1.3.7", "AMD spl7"),
    ("1.3.6.1.4.1.3704.1.3.8", "AMD ucodeSPL"),
    ("1.3.6.1.4.1.3704.1.3.9", "AMD fmcSPL"),
    (HWID, "AMD HWID"),
    ("1.3.6.1.4.1.3704.1.5", "AMD CSP_ID"),
];
/// Turin's, and that of the generations before it.
const CHIP_ID_SIZES: [usize; 2] = [8, 64];
const HWID: &str = "1.3.6.1.4.1.3704.1.4";

/// The value of an extension of AMD's: a number, a name, or the chip's id. That identifies the processor: whoever asks to
/// see a certificate has it already.
pub(super) fn extension(id: &str, value: &[u8]) -> Option<Node> {
    NAMES.iter().find(|(known, _)| *known == id)?;
    if id == HWID {
        return Some(Node::hex(chip_id(value)));
    }
    let number = || u8::from_der(value).ok().map(|number| Node::from(u16::from(number)));
    number().or_else(|| Some(Node::from(Ia5StringRef::from_der(value).ok()?.as_str())))
}

/// It stands there without any wrapper; one is taken off only where the lengths leave no doubt.
fn chip_id(value: &[u8]) -> Vec<u8> {
    let is_whole = |id: &[u8]| CHIP_ID_SIZES.contains(&id.len());
    let wrapped = OctetString::from_der(value).map(OctetString::into_bytes);
    match (is_whole(value), wrapped) {
        (false, Ok(id)) if is_whole(&id) => id.into_vec(),
        _ => value.to_vec(),
    }
}
