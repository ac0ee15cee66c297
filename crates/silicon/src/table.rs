//! How tables of what goes wrong are written.

/// A list of variants with stable names: for each its variant, its name and its documentation.
macro_rules! named {
    ($(#[$about:meta])* $type:ident, $what:literal; $($variant:ident, $name:literal, $text:expr;)+) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $(#[doc = $text] $variant,)+
        }

        impl $type {
            #[doc = concat!("Every ", $what, ".")]
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// A stable name in kebab-case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::SiliconError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let unknown = || $crate::SiliconError::UnknownName { what: $what, name: text.to_owned() };
                Self::ALL.iter().copied().find(|one| one.name() == text).ok_or_else(unknown)
            }
        }
    };
}

/// A table of defects: for each its variant, its name, how the sample is broken, which rule that breaks, and what breaks it
/// (a `Fault`, which stands in scope where the table does).
macro_rules! defects {
    ($($variant:ident, $name:literal, $how:literal, $rule:literal, $fault:expr;)+) => {
        $crate::table::named! {
            /// A way to break a sample. Each breaks one rule and keeps the others.
            Defect, "defect";
            $($variant, $name, concat!("How it is broken: ", $how, ".\n\nThe rule: ", $rule, ".");)+
        }

        impl Defect {
            /// How the sample is broken.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $how,)+ }
            }

            /// The rule that the sample breaks.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$variant => $rule,)+ }
            }

            pub(super) const fn fault(self) -> Fault {
                match self { $(Self::$variant => $fault,)+ }
            }
        }
    };
}

pub(crate) use {defects, named};
