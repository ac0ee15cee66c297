//! What the caller knows about the claims of one attestation type.
//!
//! This crate holds no table of claims: the one table lives in `appraisal` and is lent to [`crate::compile`].

use crate::program::{Guard, begins_with};
use crate::syntax::SectionKind;
use crate::value::ValueKind;

/// The claims and properties of one attestation type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vocabulary<'a> {
    /// Claims that evidence of this type produces. Empty: nothing is known, and no check depends on a type.
    pub incoming: &'a [ClaimDef<'a>],
    /// Names that no rule may make or issue.
    pub reserved: &'a [&'a str],
    /// Beginnings of names that no rule may make or issue.
    pub reserved_prefixes: &'a [&'a str],
    /// Names free for use although one of `reserved_prefixes` covers them.
    pub reserved_exceptions: &'a [&'a str],
    /// Properties that `issueproperty` may set; their names are never reserved for it.
    pub properties: &'a [PropertyDef<'a>],
}

/// One incoming claim.
#[derive(Clone, Copy, Debug)]
pub struct ClaimDef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub kind: ValueKind,
    /// May be compared but not issued, such as `pcrs`.
    pub read_only: bool,
    /// For a measurement: the number of lower-case hexadecimal digits of its value.
    pub hex_digits: Option<usize>,
}

impl<'a> ClaimDef<'a> {
    /// A claim that is neither read-only nor a measurement.
    pub const fn new(name: &'a str, kind: ValueKind) -> Self {
        Self { name, kind, read_only: false, hex_digits: None }
    }

    /// A measurement of `digits` lower-case hexadecimal digits.
    pub const fn hex(name: &'a str, digits: usize) -> Self {
        Self { name, kind: ValueKind::String, read_only: false, hex_digits: Some(digits) }
    }
}

/// One property that `issueproperty` may set.
#[derive(Clone, Copy, Debug)]
pub struct PropertyDef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub kind: ValueKind,
    /// Where it may be set.
    pub section: PropertySection,
    /// The values it may take.
    pub allowed: Allowed<'a>,
}

/// The section in which a property is set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PropertySection {
    /// `configurationrules`: steers how evidence is verified.
    Configuration,
    /// `issuancerules`: steers the token.
    Issuance,
}

impl PropertySection {
    pub(crate) const fn kind(self) -> SectionKind {
        match self {
            Self::Configuration => SectionKind::Configuration,
            Self::Issuance => SectionKind::Issuance,
        }
    }
}

/// The values a property may take.
#[derive(Clone, Copy, Debug)]
pub enum Allowed<'a> {
    /// Every value of its type.
    Any,
    /// One of these strings.
    OneOf(&'a [&'a str]),
    /// An integer from the first to the second, both included.
    Between(i64, i64),
}

impl<'a> Vocabulary<'a> {
    /// Nothing known: only the language itself is checked.
    pub const UNTYPED: Vocabulary<'static> = Vocabulary {
        incoming: &[],
        reserved: &[],
        reserved_prefixes: &[],
        reserved_exceptions: &[],
        properties: &[],
    };

    pub(crate) const fn is_typed(&self) -> bool {
        !self.incoming.is_empty()
    }

    pub(crate) fn claim(&self, name: &str) -> Option<&'a ClaimDef<'a>> {
        self.incoming.iter().find(|claim| claim.name == name)
    }

    pub(crate) fn property(&self, name: &str) -> Option<&'a PropertyDef<'a>> {
        self.properties.iter().find(|property| property.name == name)
    }

    pub(crate) fn is_reserved(&self, name: &str) -> bool {
        !self.reserved_exceptions.contains(&name)
            && (self.reserved.iter().any(|known| known.eq_ignore_ascii_case(name))
                || self.reserved_prefixes.iter().any(|prefix| begins_with(name, prefix)))
    }

    pub(crate) fn is_read_only(&self, name: &str) -> bool {
        self.claim(name).is_some_and(|claim| claim.read_only)
    }

    /// An owned copy of what evaluation needs, for names that are known only then.
    pub(crate) fn guard(&self) -> Guard {
        let owned = |names: &[&str]| names.iter().map(|&name| Box::from(name)).collect();
        Guard {
            reserved: owned(self.reserved),
            prefixes: owned(self.reserved_prefixes),
            exceptions: owned(self.reserved_exceptions),
            properties: self.properties.iter().map(|property| Box::from(property.name)).collect(),
            read_only: self
                .incoming
                .iter()
                .filter(|claim| claim.read_only)
                .map(|claim| Box::from(claim.name))
                .collect(),
        }
    }
}
