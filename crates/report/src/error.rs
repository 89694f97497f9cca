//! The one error type of this crate.

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong in computing statistics, drawing and setting a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sample is too small for what was asked of it.
    #[error("{what} needs at least {need} values, got {got}")]
    TooFew {
        /// What was to be computed.
        what: &'static str,
        /// Number of values given.
        got: usize,
        /// Number of values needed.
        need: usize,
    },
    /// A NaN or an infinity where a number is needed.
    #[error("{what} holds {value} at index {index}: every value must be finite")]
    NotFinite {
        /// Whose values they are.
        what: String,
        /// Index of the first bad value, in row-major order.
        index: usize,
        /// The bad value.
        value: f64,
    },
    /// A number outside its range.
    #[error("{what} must be {range}, got {value}")]
    OutOfRange {
        /// What the number is.
        what: &'static str,
        /// The range, in words.
        range: &'static str,
        /// The number.
        value: f64,
    },
    /// Two things that belong together differ in length.
    #[error("{left} has {left_len} values and {right} has {right_len}: they must be equal")]
    Lengths {
        /// Name of the first.
        left: String,
        /// Its length.
        left_len: usize,
        /// Name of the second.
        right: String,
        /// Its length.
        right_len: usize,
    },
    /// Two figures or sections of a report under one identifier.
    #[error("the report uses the identifier `{0}` twice; every figure needs one of its own")]
    Identifier(String),
    /// A table row of another length than its header.
    #[error("row {row} of the table `{table}` has {got} cells where its header has {want}")]
    Cells {
        /// Caption of the table.
        table: String,
        /// Index of the row.
        row: usize,
        /// Cells it has.
        got: usize,
        /// Columns there are.
        want: usize,
    },
    /// A link that leads out of the run's folder or to the network.
    #[error("the link `{0}` is no relative path: a report links only to files beside it")]
    Link(String),
    /// A figure cannot be drawn.
    #[error("figure `{figure}` cannot be drawn: {problem}")]
    Figure {
        /// Identifier of the figure.
        figure: String,
        /// What is wrong with it.
        problem: FigureProblem,
    },
    /// A text that should be CSV is not.
    #[error("CSV line {line}: {problem}")]
    Csv {
        /// Line in the text, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
}

/// Why a figure cannot be drawn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FigureProblem {
    /// The identifier cannot serve as a file name and an XML identifier.
    #[error(
        "its identifier must start with a letter a-z and go on with letters a-z, digits and hyphens"
    )]
    Identifier,
    /// There is nothing to draw.
    #[error("it has no {0}")]
    Nothing(&'static str),
    /// A series without points.
    #[error("`{0}` has no values")]
    Empty(String),
    /// A value that is NaN or infinite.
    #[error("`{name}` has the value {value} at index {index}, and only finite values can be drawn")]
    NotFinite {
        /// Name of the series, panel or row.
        name: String,
        /// Index of the value within it.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Zero or less on a logarithmic axis.
    #[error("`{name}` has the value {value}, and a logarithmic axis needs values above zero")]
    NotPositive {
        /// Name of the series or of the axis.
        name: String,
        /// The value.
        value: f64,
    },
    /// Two lists that belong together differ in length.
    #[error("`{name}` has {got} values where {want} are needed")]
    Length {
        /// Name of the series, band or row.
        name: String,
        /// Number of values given.
        got: usize,
        /// Number of values needed.
        want: usize,
    },
    /// A band or an interval whose lower end is above its upper end.
    #[error("`{name}` has a lower end {low} above its upper end {high}")]
    Reversed {
        /// Name of the series or row.
        name: String,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// An axis range that is empty, reversed or too wide for floating point.
    #[error("the axis `{name}` cannot run from {low} to {high}")]
    Range {
        /// Label of the axis.
        name: String,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Two series under one name, which no legend could tell apart.
    #[error("the name `{0}` is used twice")]
    Duplicate(String),
    /// More series than there are distinguishable styles.
    #[error("it has {got} series, and only {most} can be told apart in black and white")]
    TooMany {
        /// Number of series.
        got: usize,
        /// Number of styles.
        most: usize,
    },
}
