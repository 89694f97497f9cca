//! Accuracy, spectra of models, statistics, figures and the HTML report.
