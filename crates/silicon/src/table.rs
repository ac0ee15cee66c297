//! How a table of defects is written: for each its variant, its name, how the sample is broken, which rule that breaks,
//! and what breaks it (a `Fault`, which stands in scope where the table does).

macro_rules! defects {
    ($($variant:ident, $name:literal, $how:literal, $rule:literal, $fault:expr;)+) => {
        /// A way to break a sample. Each breaks one rule and keeps the others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect {
            $(
                #[doc = concat!("How it is broken: ", $how, ".\n\nThe rule: ", $rule, ".")]
                $variant,
            )+
        }

        impl Defect {
            /// Every defect.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// A stable name in kebab-case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

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

        impl std::fmt::Display for Defect {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.name())
            }
        }

        impl std::str::FromStr for Defect {
            type Err = $crate::SiliconError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let unknown = || $crate::SiliconError::UnknownName { what: "defect", name: text.to_owned() };
                Self::ALL.iter().copied().find(|defect| defect.name() == text).ok_or_else(unknown)
            }
        }
    };
}

pub(crate) use defects;
