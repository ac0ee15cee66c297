//! The tree that the parser makes: what was written, with the place of everything.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::span::Span;

/// A version of the policy language.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// `version=1.0;`
    V1_0,
    /// `version=1.1;` adds `configurationrules`.
    V1_1,
    /// `version=1.2;` adds functions and `!`. Parsed, but not evaluated by this release.
    V1_2,
}

impl Version {
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        [Self::V1_0, Self::V1_1, Self::V1_2].into_iter().find(|version| version.name() == text)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A section of a policy.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum SectionKind {
    /// `configurationrules`
    #[serde(rename = "configurationrules")]
    Configuration,
    /// `authorizationrules`
    #[serde(rename = "authorizationrules")]
    Authorization,
    /// `issuancerules`
    #[serde(rename = "issuancerules")]
    Issuance,
}

impl SectionKind {
    pub(crate) const ALL: [Self; 3] = [Self::Configuration, Self::Authorization, Self::Issuance];

    /// The keyword.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Configuration => "configurationrules",
            Self::Authorization => "authorizationrules",
            Self::Issuance => "issuancerules",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    /// The version and its place; without one the parser has reported why.
    pub(crate) version: Option<(Version, Span)>,
    pub(crate) configuration: Option<Section<'a>>,
    pub(crate) authorization: Option<Section<'a>>,
    pub(crate) issuance: Option<Section<'a>>,
}

impl<'a> Tree<'a> {
    pub(crate) fn section_mut(&mut self, kind: SectionKind) -> &mut Option<Section<'a>> {
        match kind {
            SectionKind::Configuration => &mut self.configuration,
            SectionKind::Authorization => &mut self.authorization,
            SectionKind::Issuance => &mut self.issuance,
        }
    }

    pub(crate) fn rules(&self, kind: SectionKind) -> &[Rule<'a>] {
        let section = match kind {
            SectionKind::Configuration => &self.configuration,
            SectionKind::Authorization => &self.authorization,
            SectionKind::Issuance => &self.issuance,
        };
        section.as_ref().map_or(&[], |section| &section.rules)
    }
}

#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) keyword: Span,
    pub(crate) rules: Vec<Rule<'a>>,
}

#[derive(Debug)]
pub(crate) struct Rule<'a> {
    /// From the first condition (or `=>`) to the semicolon.
    pub(crate) span: Span,
    pub(crate) conditions: Vec<Condition<'a>>,
    pub(crate) action: Action<'a>,
}

#[derive(Debug)]
pub(crate) struct Condition<'a> {
    pub(crate) span: Span,
    /// The place of `!`.
    pub(crate) negated: Option<Span>,
    pub(crate) binding: Option<Name<'a>>,
    pub(crate) tests: Vec<Test<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) text: &'a str,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Test<'a> {
    pub(crate) span: Span,
    pub(crate) property: Property,
    pub(crate) operator: Operator,
    pub(crate) operand: Expr<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Property {
    Type,
    Value,
    ValueType,
    Issuer,
}

impl Property {
    pub(crate) const ALL: [Self; 4] = [Self::Type, Self::Value, Self::ValueType, Self::Issuer];

    pub(crate) const fn keyword(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Value => "value",
            Self::ValueType => "valueType",
            Self::Issuer => "issuer",
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    pub(crate) const fn is_ordering(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

#[derive(Debug)]
pub(crate) struct Expr<'a> {
    pub(crate) span: Span,
    pub(crate) kind: ExprKind<'a>,
}

#[derive(Debug)]
pub(crate) enum ExprKind<'a> {
    String(Cow<'a, str>),
    Integer(i64),
    Boolean(bool),
    Property(Name<'a>, Property),
    Call(Name<'a>, Vec<Expr<'a>>),
    /// Reported by the parser; nothing more is known about it.
    Invalid,
}

#[derive(Debug)]
pub(crate) struct Action<'a> {
    pub(crate) verb: Verb,
    pub(crate) argument: Argument<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Permit,
    Deny,
    Add,
    Issue,
    IssueProperty,
}

impl Verb {
    pub(crate) const ALL: [Self; 5] = [Self::Permit, Self::Deny, Self::Add, Self::Issue, Self::IssueProperty];

    pub(crate) const fn keyword(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::Add => "add",
            Self::Issue => "issue",
            Self::IssueProperty => "issueproperty",
        }
    }

    /// Which verbs stand in which section.
    pub(crate) const fn belongs_in(self, section: SectionKind) -> bool {
        match section {
            SectionKind::Configuration => matches!(self, Self::IssueProperty),
            SectionKind::Authorization => matches!(self, Self::Permit | Self::Deny | Self::Add),
            SectionKind::Issuance => matches!(self, Self::Add | Self::Issue | Self::IssueProperty),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Argument<'a> {
    None,
    /// `claim=c`
    Copy(Name<'a>),
    /// `type=..., value=...`
    Make(Box<Make<'a>>),
}

#[derive(Debug)]
pub(crate) struct Make<'a> {
    pub(crate) claim_type: Expr<'a>,
    pub(crate) value: Expr<'a>,
    pub(crate) value_type: Option<Expr<'a>>,
    pub(crate) issuer: Option<Expr<'a>>,
}
