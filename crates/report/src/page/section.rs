//! Sections of a report and what can stand in them.

use super::html::{csv_link, escape, inline, is_local};
use super::table::Table;
use crate::error::{Error, Result};
use crate::figure::Figure;

/// A heading and the blocks below it, in the order in which they are added.
#[derive(Clone, Debug)]
pub struct Section {
    pub(super) heading: String,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
enum Block {
    Paragraph(String),
    List(Vec<String>),
    Table(Table),
    Figures(Vec<Figure>),
    Facts(Vec<(String, String)>),
    Details { summary: String, text: String },
    Files(Vec<(String, String)>),
}

impl Section {
    /// An empty section.
    pub fn new(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            blocks: Vec::new(),
        }
    }

    /// Adds a paragraph.
    pub fn paragraph(self, text: impl Into<String>) -> Self {
        self.with(Block::Paragraph(text.into()))
    }

    /// Adds a list, such as what the run can and cannot say.
    pub fn list<T: Into<String>>(self, items: impl IntoIterator<Item = T>) -> Self {
        self.with(Block::List(items.into_iter().map(Into::into).collect()))
    }

    /// Adds a table.
    pub fn table(self, table: Table) -> Self {
        self.with(Block::Table(table))
    }

    /// Adds figures, side by side where there is room.
    pub fn figures(self, figures: impl IntoIterator<Item = Figure>) -> Self {
        self.with(Block::Figures(figures.into_iter().collect()))
    }

    /// Adds names with their values, such as a manifest.
    pub fn facts<K: Into<String>, V: Into<String>>(
        self,
        facts: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let facts = facts.into_iter().map(|(k, v)| (k.into(), v.into()));
        self.with(Block::Facts(facts.collect()))
    }

    /// Adds a text as it stands, such as the resolved configuration, folded
    /// away under a summary.
    pub fn details(self, summary: impl Into<String>, text: impl Into<String>) -> Self {
        self.with(Block::Details {
            summary: summary.into(),
            text: text.into(),
        })
    }

    /// Adds links to files beside the page: (what it is, relative path).
    pub fn files<K: Into<String>, V: Into<String>>(
        self,
        files: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let files = files.into_iter().map(|(k, v)| (k.into(), v.into()));
        self.with(Block::Files(files.collect()))
    }

    fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// The figures of the section.
    pub(super) fn figure_ids(&self) -> impl Iterator<Item = &str> {
        let figures = self.blocks.iter().filter_map(|b| match b {
            Block::Figures(figures) => Some(figures),
            _ => None,
        });
        figures.flatten().map(|f| f.id.as_str())
    }

    pub(super) fn html(&self, id: &str) -> Result<String> {
        let mut out = format!("<section id=\"{id}\"><h2>{}</h2>", inline(&self.heading));
        for block in &self.blocks {
            out += &block.html()?;
        }
        Ok(out + "</section>\n")
    }
}

impl Block {
    fn html(&self) -> Result<String> {
        Ok(match self {
            Self::Paragraph(text) => format!("<p>{}</p>", inline(text)),
            Self::List(items) => {
                let item = |text: &String| format!("<li>{}</li>", inline(text));
                format!("<ul>{}</ul>", items.iter().map(item).collect::<String>())
            }
            Self::Table(table) => table.html()?,
            Self::Figures(figures) => {
                let figures: String = figures.iter().map(figure).collect();
                format!("<div class=\"figures\">{figures}</div>")
            }
            Self::Facts(facts) => {
                let fact = |(key, value): &(String, String)| {
                    format!(
                        "<div><dt>{}</dt><dd>{}</dd></div>",
                        inline(key),
                        inline(value)
                    )
                };
                format!("<dl>{}</dl>", facts.iter().map(fact).collect::<String>())
            }
            Self::Details { summary, text } => format!(
                "<details><summary>{}</summary><pre tabindex=\"0\">{}</pre></details>",
                inline(summary),
                escape(text)
            ),
            Self::Files(files) => {
                let mut out = String::from("<ul class=\"files\">");
                for (what, path) in files {
                    if !is_local(path) {
                        return Err(Error::Link(path.clone()));
                    }
                    let (what, path) = (inline(what), escape(path));
                    out += &format!("<li><a href=\"{path}\">{path}</a> {what}</li>");
                }
                out + "</ul>"
            }
        })
    }
}

fn figure(figure: &Figure) -> String {
    let file = format!("{}.csv", figure.id);
    let id = &figure.id;
    format!(
        "<figure id=\"{id}\" class=\"chart\"><h3>{}</h3>{}<figcaption>{} Data: {}</figcaption></figure>",
        inline(&figure.title),
        figure.inline(),
        inline(&figure.caption),
        csv_link(&file, &figure.csv)
    )
}
