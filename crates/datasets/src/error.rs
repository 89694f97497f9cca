//! The error of this crate.

use std::io;
use std::path::PathBuf;

/// What this crate's fallible functions return.
pub type Result<T> = std::result::Result<T, DatasetError>;

/// What can be wrong with files, sets, transforms and batches.
///
/// Paths of embedded files read `(embedded)/NAME`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// None of the names a file may have is there.
    #[error(
        "\"{}\" holds neither {name} nor {name}.gz; give a folder with the data set's four files, \
         such as the one installed by Debian's package dataset-fashion-mnist \
         (/usr/share/datasets/fashion-mnist)",
        folder.display()
    )]
    Missing {
        /// The folder that was searched.
        folder: PathBuf,
        /// The file's name without `.gz`.
        name: String,
    },
    /// A file could not be opened.
    #[error("cannot open \"{}\": {source}; check the path and its permissions", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Reading a plain file failed.
    #[error("cannot read \"{}\": {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A gzipped file does not unpack.
    #[error(
        "cannot unpack \"{}\": {source}; the gzip file is damaged or cut short: copy or download it again",
        path.display()
    )]
    Gzip {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        source: io::Error,
    },
    /// An IDX file starts with another magic number than its kind has.
    #[error(
        "\"{}\" starts with {found:#010x}, but IDX {what} start with {expected:#010x}; {hint}",
        path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// "images" or "labels".
        what: &'static str,
        /// The number found.
        found: u32,
        /// The number of this kind of file.
        expected: u32,
        /// What the file may be instead.
        hint: &'static str,
    },
    /// The sizes in an IDX header are zero, or multiply to more than fits an address.
    #[error(
        "\"{}\" declares {what} of sizes {sizes:?}, which no file can hold or which hold nothing; \
         the header is damaged: copy or download the file again",
        path.display()
    )]
    Sizes {
        /// The file.
        path: PathBuf,
        /// "images" or "labels".
        what: &'static str,
        /// The sizes in the header: count, and for images height and width.
        sizes: Vec<u32>,
    },
    /// A file ends before its header says.
    #[error(
        "\"{}\" ends after {found} bytes (unpacked) where {expected} belong; \
         the file is cut short: copy or download it again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The bytes that belong there, header included.
        expected: u64,
        /// The bytes that are there.
        found: u64,
    },
    /// A file goes on after its header says.
    #[error(
        "\"{}\" goes on after the {expected} bytes (unpacked) that its header declares; \
         the header or the file is damaged: copy or download it again",
        path.display()
    )]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// The bytes that belong there, header included.
        expected: u64,
    },
    /// A label in a file is no class.
    #[error(
        "\"{}\" has label {label} at position {position} (from 0), but the classes are 0..={}; \
         is this the labels file of another data set?",
        path.display(), classes.saturating_sub(1)
    )]
    FileLabel {
        /// The file.
        path: PathBuf,
        /// Which label, counted from 0.
        position: usize,
        /// The label.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// A file of images and its file of labels do not belong together.
    #[error(
        "\"{}\" holds {images} images but \"{}\" holds {labels} labels; \
         both files must come from one split of one data set",
        images_path.display(), labels_path.display()
    )]
    CountMismatch {
        /// The file of images.
        images_path: PathBuf,
        /// How many it holds.
        images: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// How many it holds.
        labels: usize,
    },
    /// Images of another size than the data set has.
    #[error(
        "\"{}\" holds images of {}x{} pixels (height x width) where {} has {}x{}; \
         is this another data set?",
        path.display(), found[0], found[1], set, expected[0], expected[1]
    )]
    ImageSize {
        /// The file.
        path: PathBuf,
        /// The data set's name.
        set: &'static str,
        /// Height and width in the file.
        found: [usize; 2],
        /// Height and width of the data set.
        expected: [usize; 2],
    },
    /// A set without images, or of images without pixels.
    #[error(
        "a set of {images} images of shape {shape:?} (C, H, W) holds nothing; give at least one image and one pixel"
    )]
    Empty {
        /// How many images.
        images: usize,
        /// Channels, height, width.
        shape: [usize; 3],
    },
    /// The pixels of a set do not fit its shape and labels.
    #[error(
        "{pixels} bytes of pixels do not make {images} images of shape {shape:?} (C, H, W): \
         one byte per value and one label per image belong there"
    )]
    PixelCount {
        /// The bytes given.
        pixels: usize,
        /// The labels given, and so the images.
        images: usize,
        /// Channels, height, width.
        shape: [usize; 3],
    },
    /// A label of a set is no class.
    #[error(
        "image {index} has label {label}, but the {classes} classes are numbered from 0; correct the label or name the class"
    )]
    Label {
        /// Which image.
        index: usize,
        /// Its label.
        label: u32,
        /// How many classes have names.
        classes: usize,
    },
    /// More images than the u32 indices of batches can tell apart.
    #[error(
        "{images} images are more than the {} that batches can index; split the set",
        u32::MAX
    )]
    TooManyImages {
        /// How many images.
        images: usize,
    },
    /// An index past the end of a set.
    #[error("image {index} was asked for, but the set has {len} images (0..={})", len.saturating_sub(1))]
    Index {
        /// The index, as far as it fits.
        index: u64,
        /// The images in the set.
        len: usize,
    },
    /// A class is too small for a class-balanced choice.
    #[error(
        "{wanted} images per class were asked for, but class {class} (\"{name}\") has {found}; ask for at most {found}"
    )]
    ClassTooSmall {
        /// The smallest class.
        class: usize,
        /// Its name.
        name: String,
        /// Its images.
        found: usize,
        /// The images asked for.
        wanted: usize,
    },
    /// A normalisation for another number of channels.
    #[error(
        "the normalisation has {means} means and {stds} standard deviations, but the images have {channels} channels; \
         give one of each per channel"
    )]
    NormaliseChannels {
        /// The means given.
        means: usize,
        /// The standard deviations given.
        stds: usize,
        /// The channels of the images.
        channels: usize,
    },
    /// A normalisation that divides by zero or is not finite.
    #[error(
        "channel {channel} cannot be normalised with mean {mean} and standard deviation {std}: \
         both must be finite, the deviation above 0 (in units of 255 grey levels)"
    )]
    NormaliseValue {
        /// Which channel.
        channel: usize,
        /// Its mean.
        mean: f32,
        /// Its standard deviation.
        std: f32,
    },
    /// A file (or an image of this name) that is no picture of a kind that is read.
    #[error(
        "\"{}\" {found}; JPEG and PNG files are read (.jpg, .jpeg, .png): convert it, or move it away",
        path.display()
    )]
    UnsupportedPicture {
        /// The file.
        path: PathBuf,
        /// What it is, or is called.
        found: String,
    },
    /// A JPEG or PNG file (or an image of this name) that does not decode.
    #[error(
        "\"{}\" cannot be decoded ({reason}); the file is damaged or cut short: copy or download it again, or move it away",
        path.display()
    )]
    DamagedPicture {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        reason: String,
    },
    /// An image that a source cannot give.
    #[error("{name} cannot be read: {reason}")]
    Sample {
        /// The image.
        name: String,
        /// Why.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An image that cannot become a view.
    #[error("\"{name}\" cannot be brought to the model's input: {reason}")]
    Image {
        /// The image.
        name: String,
        /// What is wrong with its size.
        reason: String,
    },
    /// Images of other channels than grey or red, green and blue.
    #[error("images of {channels} channels are not made; 1 (grey) and 3 (red, green, blue) are")]
    Channels {
        /// The channels asked for or found.
        channels: usize,
    },
    /// A pipeline that cannot be.
    #[error("no views can be made: {reason}")]
    Pipeline {
        /// What is wrong, with the numbers, and what would be right.
        reason: String,
    },
    /// A folder that holds no data set of a known layout.
    #[error("\"{}\" {found}; {expected}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What it holds instead.
        found: String,
        /// What is expected, and what to do.
        expected: &'static str,
    },
    /// A sampler whose options do not go together.
    #[error("these batches cannot be drawn: {reason}")]
    Sampler {
        /// What is wrong, with the numbers, and what would be right.
        reason: String,
    },
    /// A loader whose numbers do not go together.
    #[error("these batches cannot be loaded: {reason}")]
    Loader {
        /// What is wrong, with the numbers, and what would be right.
        reason: String,
    },
    /// The threads of a loader could not be started.
    #[error("cannot start {workers} threads to load batches: {source}; use fewer workers")]
    Threads {
        /// How many were asked for.
        workers: usize,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Code that a loader called panicked: a fault in the program, not in the data.
    #[error("loading {at} panicked: {message}")]
    Panic {
        /// What was being loaded.
        at: String,
        /// What the panic said.
        message: String,
    },
    /// A batch whose parts do not belong together.
    #[error("a batch cannot be: {reason}")]
    Batch {
        /// What is wrong, with the numbers.
        reason: String,
    },
    /// A set of no images.
    #[error("a set of no images was asked for; give at least one")]
    NoImages,
    /// Classes were asked for of images without any.
    #[error("the images have no labels, so that no class can be chosen from")]
    NoLabels,
    /// A batch of no images.
    #[error("a batch of no images was asked for; give at least one index")]
    EmptyBatch,
    /// candle could not make a tensor of a batch.
    #[error("cannot make the tensors of a batch: {0}")]
    Tensor(#[from] candle_core::Error),
}
