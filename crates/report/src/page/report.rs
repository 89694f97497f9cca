//! The page around the sections: verdicts, warnings, contents, style.

use std::collections::BTreeSet;

use super::html::{escape, inline, slug};
use super::section::Section;
use super::table::mark;
use crate::error::{Error, Result};
use crate::figure::page_style;
use crate::statistics::Verdict;

/// A report under construction.
#[derive(Clone, Debug)]
pub struct Report {
    title: String,
    subtitle: Option<String>,
    warnings: Vec<String>,
    verdicts: Vec<Claim>,
    lead: Vec<String>,
    sections: Vec<Section>,
}

#[derive(Clone, Debug)]
struct Claim {
    text: String,
    verdict: Verdict,
    sentence: String,
}

impl Report {
    /// An empty report.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            subtitle: None,
            warnings: Vec::new(),
            verdicts: Vec::new(),
            lead: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Sets the line below the title: profile, data, date.
    pub fn subtitle(mut self, text: impl Into<String>) -> Self {
        self.subtitle = Some(text.into());
        self
    }

    /// Adds a warning. Warnings are the first lines of the page, before its
    /// title: they are for what no reader may miss, such as a profile that
    /// cannot judge its claim.
    pub fn warning(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }

    /// Adds a claim with its verdict, and the sentence that gives the numbers
    /// ([`Judgement::sentence`](crate::statistics::Judgement::sentence)).
    pub fn verdict(
        mut self,
        claim: impl Into<String>,
        verdict: Verdict,
        sentence: impl Into<String>,
    ) -> Self {
        self.verdicts.push(Claim {
            text: claim.into(),
            verdict,
            sentence: sentence.into(),
        });
        self
    }

    /// Adds a paragraph between the verdicts and the first section.
    pub fn lead(mut self, text: impl Into<String>) -> Self {
        self.lead.push(text.into());
        self
    }

    /// Adds a section.
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The page.
    ///
    /// # Errors
    /// [`Error::Identifier`] when two figures share one, [`Error::Cells`] for a
    /// table row of the wrong length, [`Error::Link`] for a link that leads
    /// away from the run's folder.
    pub fn to_html(&self) -> Result<String> {
        let ids = self.identifiers()?;
        let mut body = String::new();
        for warning in &self.warnings {
            body += &format!(
                "<p class=\"warning\" role=\"alert\"><strong>Warning.</strong> {}</p>\n",
                inline(warning)
            );
        }
        body += &format!("<header><h1>{}</h1>", inline(&self.title));
        if let Some(subtitle) = &self.subtitle {
            body += &format!("<p class=\"subtitle\">{}</p>", inline(subtitle));
        }
        body += "</header>\n";
        if !self.verdicts.is_empty() {
            let verdicts: String = self.verdicts.iter().map(Claim::html).collect();
            body += &format!("<div class=\"verdicts\">{verdicts}</div>\n");
        }
        for text in &self.lead {
            body += &format!("<p class=\"lead\">{}</p>\n", inline(text));
        }
        if self.sections.len() > 2 {
            let link = |(section, id): (&Section, &String)| {
                format!(
                    "<li><a href=\"#{id}\">{}</a></li>",
                    inline(&section.heading)
                )
            };
            let links: String = self.sections.iter().zip(&ids).map(link).collect();
            body += &format!("<nav aria-label=\"Contents\"><ul>{links}</ul></nav>\n");
        }
        for (section, id) in self.sections.iter().zip(&ids) {
            body += &section.html(id)?;
        }
        Ok(format!(
            "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; img-src data:\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{}{}</style>\n\
             </head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
            escape(&self.title),
            page_style(),
            include_str!("page.css"),
        ))
    }

    /// Identifiers of the sections, apart from each other and from the figures.
    fn identifiers(&self) -> Result<Vec<String>> {
        let mut used = BTreeSet::new();
        for id in self.sections.iter().flat_map(Section::figure_ids) {
            if !used.insert(id.to_owned()) {
                return Err(Error::Identifier(id.to_owned()));
            }
        }
        let mut ids = Vec::new();
        for section in &self.sections {
            let base = slug(&section.heading);
            let mut id = base.clone();
            let mut count = 1;
            while !used.insert(id.clone()) {
                count += 1;
                id = format!("{base}-{count}");
            }
            ids.push(id);
        }
        Ok(ids)
    }
}

impl Claim {
    fn html(&self) -> String {
        let word = self.verdict.word();
        // The sentence begins with the verdict, which the box shows by itself.
        let sentence = self
            .sentence
            .split_once(": ")
            .filter(|(first, _)| first.eq_ignore_ascii_case(word));
        let sentence = sentence.map_or(self.sentence.as_str(), |(_, rest)| rest);
        let mut letters = sentence.chars();
        let sentence = match letters.next() {
            Some(first) => first.to_uppercase().chain(letters).collect(),
            None => String::new(),
        };
        format!(
            "<div class=\"verdict {word}\"><p class=\"claim\">{}</p>\
             <p class=\"word\"><span aria-hidden=\"true\">{}</span> {word}</p><p>{}</p></div>",
            inline(&self.text),
            mark(self.verdict),
            inline(&sentence)
        )
    }
}
