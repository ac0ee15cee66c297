//! The rules on endorsements, in the order they are checked.

use crate::report::CheckDef;

const RFC5280: &str = "RFC 5280, sections 4.2.1 and 6.1";
const DID_X509: &str = "did:x509 method specification, version 0";
const RFC9052: &str = "RFC 9052, sections 3 and 4";
const CCF: &str = "Azure confidential containers, UVM endorsements; CCF, `uvm_endorsements.cpp`";

/// Every rule of this module.
pub const RULES: &[&CheckDef] = &[
    &rule::COSE,
    &rule::CHAIN,
    &rule::DID,
    &rule::SIGNATURE,
    &rule::CONTENT,
    &rule::MEASUREMENT,
    &rule::TIME_STAMP,
    &rule::DATES,
    &rule::ISSUER,
    &rule::SVN,
];

/// The rules by name.
pub(super) mod rule {
    use super::{CCF, CheckDef, DID_X509, RFC5280, RFC9052};

    macro_rules! rules {
        ($($name:ident: $id:literal, $title:literal, $reference:expr;)*) => {
            $(pub(in crate::uvm) static $name: CheckDef =
                CheckDef { id: $id, title: $title, reference: $reference };)*
        };
    }

    rules! {
        COSE: "uvm.cose", "the endorsement is a COSE_Sign1 message with its payload and a known algorithm", RFC9052;
        CHAIN: "uvm.chain", "each certificate of the signer's chain is issued and signed by the next, which may do so", RFC5280;
        DID: "uvm.did", "the issuer's name stands for the chain and its leaf", DID_X509;
        SIGNATURE: "uvm.signature", "the leaf signed the endorsement, byte for byte", RFC9052;
        CONTENT: "uvm.content", "the endorsement names its issuer, feed, security version and measurement", CCF;
        MEASUREMENT: "uvm.measurement", "the endorsement is for the measurement of the report", CCF;
        TIME_STAMP: "uvm.time-stamp", "a trusted authority says when the endorsement was signed", "RFC 3161, section 2.4.2";
        DATES: "uvm.dates", "the chain was valid when the endorsement was signed, which is past", RFC5280;
        ISSUER: "uvm.issuer", "the issuer is trusted for the feed", CCF;
        SVN: "uvm.svn", "the image has at least the security version that is demanded", CCF;
    }
}
