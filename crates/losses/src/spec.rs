//! A loss of any kind.

use std::fmt::Debug;

use serde_json::{Map, Value};
use spectralkd_base::inner_error::wrap;

use crate::json::unknown;
use crate::kinds::Spec;
use crate::{Context, Kind, Objective, Pairs, Result, Wrong};

/// Declares the modules of all kinds and [`Spec`], the enum of them, from `module::Type` of each.
macro_rules! kinds {
    ($($module:ident :: $kind:ident),+ $(,)?) => {
        $(pub mod $module;)+
        $(pub use $module::$kind;)+

        /// A loss of any kind, as a file describes it, without name and weight.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Spec {
            $(#[doc = concat!("[`", stringify!($kind), "`]")] $kind($kind),)+
        }

        impl Spec {
            /// The names of all kinds.
            pub const KINDS: &'static [&'static str] =
                &[$(<$kind as $crate::Kind>::KIND,)+];

            /// What reads the table of a kind of this name.
            pub(crate) fn reader(kind: &str) -> Option<$crate::spec::Reader> {
                match kind {
                    $(<$kind as $crate::Kind>::KIND => Some($crate::spec::Reader {
                        keys: $crate::json::keys::<$kind>,
                        read: |table| $crate::json::read(table).map(Self::$kind),
                    }),)+
                    _ => None,
                }
            }

            pub(crate) fn inner(&self) -> &dyn $crate::spec::AnyKind {
                match self { $(Self::$kind(kind) => kind,)+ }
            }

            pub(crate) fn inner_mut(&mut self) -> &mut dyn $crate::spec::AnyKind {
                match self { $(Self::$kind(kind) => kind,)+ }
            }
        }

        $(impl From<$kind> for Spec {
            fn from(kind: $kind) -> Self {
                Self::$kind(kind)
            }
        })+
    };
}
pub(crate) use kinds;

/// How the table of one kind is read.
pub(crate) struct Reader {
    /// Its keys.
    pub keys: fn() -> Vec<String>,
    /// The kind, or a message that carries the path inside.
    pub read: fn(Value) -> Result<Spec, String>,
}

/// [`Kind`] as an object.
pub(crate) trait AnyKind: Debug {
    fn kind(&self) -> &'static str;
    fn check(&self) -> Result<(), Wrong>;
    fn uses_teacher(&self) -> bool;
    fn pairs(&self) -> Option<&Pairs>;
    fn pairs_mut(&mut self) -> Option<&mut Pairs>;
    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>>;
    fn table(&self) -> serde_json::Result<Value>;
}

impl<K: Kind> AnyKind for K {
    fn kind(&self) -> &'static str {
        K::KIND
    }

    fn check(&self) -> Result<(), Wrong> {
        Kind::check(self)
    }

    fn uses_teacher(&self) -> bool {
        Kind::uses_teacher(self)
    }

    fn pairs(&self) -> Option<&Pairs> {
        Kind::pairs(self)
    }

    fn pairs_mut(&mut self) -> Option<&mut Pairs> {
        Kind::pairs_mut(self)
    }

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        Kind::check(self)?;
        Kind::build(self, context)
    }

    fn table(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}

impl Spec {
    /// The keys of the kind of this name, besides those of every loss
    /// ([`Loss::KEYS`](crate::Loss::KEYS)); none if there is no such kind.
    pub fn keys(kind: &str) -> Option<Vec<String>> {
        Self::reader(kind).map(|reader| (reader.keys)())
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        self.inner().kind()
    }

    /// Checks what can be checked without a model.
    ///
    /// # Errors
    /// The first key that is not as it must be.
    pub fn check(&self) -> Result<(), Wrong> {
        self.inner().check()
    }

    /// Whether a teacher is needed.
    pub fn uses_teacher(&self) -> bool {
        self.inner().uses_teacher()
    }

    /// The pairs of layers, where it compares features.
    pub fn pairs(&self) -> Option<&Pairs> {
        self.inner().pairs()
    }

    /// The same, to be filled in.
    pub fn pairs_mut(&mut self) -> Option<&mut Pairs> {
        self.inner_mut().pairs_mut()
    }

    /// The loss for models of the context's shapes.
    ///
    /// # Errors
    /// [`crate::Error::Wrong`] with the key that is out of range or does not go with these models.
    pub fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        self.inner().build(context)
    }

    /// Reads the table of the kind of this name; an error is a message with the path inside.
    pub(crate) fn read(kind: &str, table: Map<String, Value>) -> Result<Self, String> {
        match Self::reader(kind) {
            Some(reader) => (reader.read)(Value::Object(table)),
            None => Err(wrap("kind", &unknown("variant", kind, Self::KINDS))),
        }
    }
}
