//! Every named way to break an endorsement, one rule at a time.

mod certificates;
mod envelope;
mod stamp;
mod table;

use super::cbor::Cbor;
use super::message::{ChainDraft, Draft, Signed};
use super::time_stamp::StampDraft;
use super::{EndorsementSpec, Form, UvmSigner};
use crate::error::SiliconError;

pub use table::Defect;

type Done = Result<(), SiliconError>;

/// When a defect strikes.
#[derive(Clone, Copy)]
enum Fault {
    /// Before the certificates are signed.
    Chain(fn(&mut ChainDraft) -> Done),
    /// Before the message is signed, in either form.
    Message(fn(&mut Draft)),
    /// Before a message of the older form is signed.
    Legacy(fn(&mut Draft)),
    /// Before a message of the newer form is signed.
    Cwt(fn(&mut Draft)),
    /// Before the message is signed, with keys of its own.
    Keys(fn(&mut Draft) -> Done),
    /// After the message was signed; a time-stamp is put on the signature before.
    After(fn(&mut Signed)),
    /// Before the time-stamp is signed.
    Stamp(fn(&mut StampDraft) -> Done),
    /// What stands in the place of the token.
    Token(fn(Vec<u8>) -> Cbor),
    /// The whole of the bytes.
    Bytes(fn(Vec<u8>) -> Vec<u8>),
}

impl Defect {
    /// Whether the endorsement is genuine all the same: what is broken is a time-stamp, which proves nothing then, and which
    /// whoever passes the endorsement on could as well have taken away.
    #[must_use]
    pub const fn is_of_time_stamp(self) -> bool {
        matches!(self.fault(), Fault::Stamp(_) | Fault::Token(_))
    }

    /// An endorsement that breaks the rule.
    pub(super) fn apply(
        self,
        signer: &UvmSigner,
        spec: &EndorsementSpec,
        now: i64,
    ) -> Result<Vec<u8>, SiliconError> {
        let fault = self.fault();
        let mut spec = spec.clone();
        match fault {
            Fault::Legacy(_) => spec.form = Form::Legacy,
            Fault::Cwt(_) => spec.form = Form::Cwt,
            _ => {}
        }
        let mut chain = ChainDraft::new(signer, spec.algorithm, now)?;
        if let Fault::Chain(strike) = fault {
            strike(&mut chain)?;
        }
        let mut draft = Draft::new(&chain, &spec)?;
        match fault {
            Fault::Message(strike) | Fault::Legacy(strike) | Fault::Cwt(strike) => strike(&mut draft),
            Fault::Keys(strike) => strike(&mut draft)?,
            _ => {}
        }
        let mut signed = draft.sign()?;
        if spec.time_stamped || self.is_of_time_stamp() {
            signed.unprotected.push((Cbor::text("timestamp"), token(fault, signer, &signed, now)?));
        }
        if let Fault::After(strike) = fault {
            strike(&mut signed);
        }
        let bytes = signed.encode();
        Ok(if let Fault::Bytes(strike) = fault { strike(bytes) } else { bytes })
    }
}

fn token(fault: Fault, signer: &UvmSigner, signed: &Signed, now: i64) -> Result<Cbor, SiliconError> {
    let mut stamp = StampDraft::new(signer, &signed.signature, now)?;
    if let Fault::Stamp(strike) = fault {
        strike(&mut stamp)?;
    }
    let token = stamp.finish()?;
    Ok(if let Fault::Token(strike) = fault { strike(token) } else { Cbor::Bytes(token) })
}
