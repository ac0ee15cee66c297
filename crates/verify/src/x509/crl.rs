//! Revocation lists (RFC 5280 section 5.1).

use der::asn1::ObjectIdentifier;
use der::{AnyRef, Decode, Reader, Tag, Tagged};

use super::{AUTHORITY_KEY_ID, Malformed, Signed, field_is, read_extensions, signed, time};
use crate::crypto::SignatureKey;
use crate::time::Window;

const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
/// Intel's platform CRL of 2026 lists 60 certificates in 3.3 KiB. 256 KiB hold about 6000 entries.
pub(crate) const MAX_CRL_SIZE: usize = 256 * 1024;

/// A revocation list, read but not verified.
#[derive(Debug)]
pub(crate) struct Crl<'a> {
    signed: Signed<'a>,
    /// Content of the issuer's name.
    pub(crate) issuer: &'a [u8],
    pub(crate) validity: Window,
    /// Serial numbers, sorted.
    pub(crate) revoked: Vec<&'a [u8]>,
}

impl<'a> Crl<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, Malformed> {
        if der.len() > MAX_CRL_SIZE {
            return Err("it is too large");
        }
        let signed = signed(der)?;
        let body = AnyRef::from_der(signed.body).map_err(|_| "its body is not DER")?;
        body.sequence(|reader| Self::read(reader, signed))
            .map_err(|_: der::Error| "its body is not as RFC 5280 demands")?
    }

    fn read<'r>(
        reader: &mut (impl Reader<'a> + 'r),
        signed: Signed<'a>,
    ) -> Result<Result<Self, Malformed>, der::Error> {
        if u8::decode(reader)? != 1 {
            return Ok(Err("it is not an X.509 version 2 list"));
        }
        if !signed.names(AnyRef::decode(reader)?) {
            return Ok(Err("its body names another signature algorithm than its signature"));
        }
        let issuer = AnyRef::decode(reader)?;
        let from = time(reader)?;
        // RFC 5280 section 5.1.2.5: conforming issuers always include it, and without it a list never expires.
        let until = time(reader)?;
        let (mut revoked, mut extensions) = (None, None);
        while !reader.is_finished() {
            let field = AnyRef::decode(reader)?;
            if field.tag() == Tag::Sequence && revoked.is_none() && extensions.is_none() {
                revoked = Some(revoked_serials(field)?);
            } else if field_is(field, 0) && extensions.replace(field).is_none() {
                if let Err(problem) = check_crl_extensions(field.value()) {
                    return Ok(Err(problem));
                }
            } else {
                return Ok(Err("it has a field that is not known"));
            }
        }
        let mut revoked = revoked.unwrap_or_default();
        revoked.sort_unstable();
        Ok(Ok(Self { signed, issuer: issuer.value(), validity: Window { from, until }, revoked }))
    }

    /// Whether `key` signed this list, in the way that the list says.
    pub(crate) fn is_signed_by(&self, key: &SignatureKey) -> bool {
        self.signed.is_signed_by(key)
    }
}

fn revoked_serials(list: AnyRef<'_>) -> Result<Vec<&[u8]>, der::Error> {
    list.sequence(|reader| {
        let mut serials = Vec::new();
        while !reader.is_finished() {
            // Serial number and date; entry extensions (the reason) change nothing: listed is revoked.
            let serial = AnyRef::decode(reader)?.sequence(|entry| {
                let serial = AnyRef::decode(entry)?;
                let _date = time(entry)?;
                if !entry.is_finished() {
                    let _extensions = AnyRef::decode(entry)?;
                }
                Ok::<_, der::Error>(serial)
            })?;
            if serial.tag() != Tag::Integer {
                return Err(serial.tag().value_error().into());
            }
            serials.push(serial.value());
        }
        Ok::<_, der::Error>(serials)
    })
}

/// Critical extensions of a CRL change its meaning (partial lists, lists for others), so none is accepted unread.
fn check_crl_extensions(explicit: &[u8]) -> Result<(), Malformed> {
    let known = [CRL_NUMBER, AUTHORITY_KEY_ID];
    let unknown = read_extensions(explicit)?.iter().any(|e| e.critical && !known.contains(&e.id));
    if unknown { Err("it has a critical extension that is not known") } else { Ok(()) }
}
