//! Mistakes in recipes, drawn as rustc draws them.

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use casehard::error::{Diagnostic, Source, Span};

use casehard::escape::{is_misleading, printable};

/// Draws each with the lines that it is about, and a blank line behind it.
pub(crate) fn draw(all: &[Diagnostic], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    all.iter()
        .map(|one| format!("{}\n\n", draw_one(one, &renderer)))
        .collect()
}

fn draw_one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let mut windows: Vec<Window<'_>> = Vec::new();
    let own = (
        &diagnostic.at,
        diagnostic.label.as_str(),
        AnnotationKind::Primary,
    );
    let related = diagnostic.related.iter();
    let related = related.map(|(at, label)| (at, label.as_str(), AnnotationKind::Context));
    for (at, label, kind) in [own].into_iter().chain(related) {
        match windows
            .iter_mut()
            .find(|w| Arc::ptr_eq(w.source, &at.source))
        {
            Some(window) => window.marks.push((at, label, kind)),
            None => windows.push(Window {
                source: &at.source,
                marks: vec![(at, label, kind)],
            }),
        }
    }
    let title = Level::ERROR.primary_title(printable(&diagnostic.message));
    let mut group = title.elements(windows.iter().map(Window::snippet));
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    renderer.render(&[group])
}

/// The marked places of one text.
struct Window<'a> {
    source: &'a Arc<Source>,
    marks: Vec<(&'a Span, &'a str, AnnotationKind)>,
}

impl Window<'_> {
    /// Only the lines from the first mark to the last: the whole text may be long.
    fn snippet(&self) -> Snippet<'static, annotate_snippets::Annotation<'static>> {
        let text = self.source.text.as_str();
        let inside = |at: usize| at.min(text.len());
        let starts = self.marks.iter().map(|(span, ..)| inside(span.start));
        let ends = self.marks.iter().map(|(span, ..)| inside(span.end));
        let (first, last) = (starts.min().unwrap_or(0), ends.max().unwrap_or(0));
        let from = text.get(..first).and_then(|t| t.rfind('\n'));
        let from = from.map_or(0, |newline| newline + 1);
        let to = text.get(last..).and_then(|t| t.find('\n'));
        let to = to.map_or(text.len(), |newline| last + newline);
        let window = text.get(from..to.max(from)).unwrap_or_default();
        let window = window.strip_suffix('\r').unwrap_or(window);
        let line = text.get(..from).unwrap_or_default().matches('\n').count() + 1;
        let place = |at: usize| masked(window.get(..inside(at) - from).unwrap_or(window)).len();
        let range = |span: &Span| -> Range<usize> { place(span.start)..place(span.end) };
        let marks = self.marks.iter().map(|(span, label, kind)| {
            let mark = kind.span(range(span));
            if label.is_empty() {
                mark
            } else {
                mark.label(printable(label))
            }
        });
        Snippet::source(masked(window))
            .path(printable(&self.source.name))
            .line_start(line)
            .annotations(marks.collect::<Vec<_>>())
    }
}

/// Puts one character in the place of each that a terminal would obey, so that columns stay.
fn masked(text: &str) -> String {
    let mask = |c| match c {
        '\n' | '\t' | '\r' => c,
        _ if is_misleading(c) => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    text.chars().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(source: &Arc<Source>, what: &str) -> Span {
        let start = source.text.find(what).unwrap();
        let source = Arc::clone(source);
        let end = start + what.len();
        Span { source, start, end }
    }

    fn source(text: &str) -> Arc<Source> {
        Arc::new(Source::new("ours.ini", text))
    }

    #[test]
    fn related_places_are_drawn_with_it() {
        let (one, two) = (source("a\nb=1\n\n\n\n\n\n\n\n\nb=2\n"), source("c=3\n"));
        let mistake = Diagnostic::new(span(&one, "b=2"), "`b` is given twice")
            .label("and here")
            .related(span(&one, "b=1"), "first here")
            .related(span(&two, "c=3"), "as here")
            .help("delete one");
        assert_eq!(
            draw(&[mistake], false),
            "error: `b` is given twice
  --> ours.ini:11:1
   |
 2 | b=1
   | --- first here
...
11 | b=2
   | ^^^ and here
   |
  ::: ours.ini:1:1
   |
 1 | c=3
   | --- as here
   |
   = help: delete one

"
        );
    }

    #[test]
    fn the_end_of_a_text_can_be_marked() {
        let text = source("[Recipe]\nSchema=1\n");
        let mut at = span(&text, "1");
        (at.start, at.end) = (text.text.len(), text.text.len());
        let drawn = draw(&[Diagnostic::new(at, "something is missing")], false);
        assert!(drawn.contains("ours.ini:3:1"), "{drawn}");
    }

    #[test]
    fn nothing_reaches_a_terminal_raw() {
        let text = source("\u{202e}\u{1b}[31m\u{9b}x=\u{7f}oops\r\n");
        let mistake = Diagnostic::new(span(&text, "oops"), "\u{1b}]0;title\u{7}")
            .label("\u{2066}\u{1b}")
            .help("\u{1b}c\nsecond line");
        let drawn = draw(&[mistake], false);
        assert!(
            !drawn.chars().any(|c| c != '\n' && is_misleading(c)),
            "{drawn:?}"
        );
        assert!(drawn.contains(" ours.ini:1:11\n"), "{drawn}");
        assert!(drawn.contains("oops\n"), "{drawn}");
        assert!(drawn.contains("^^^^"), "{drawn}");
    }

    #[test]
    fn colours_are_there_if_asked_for() {
        let mistake = Diagnostic::new(span(&source("x"), "x"), "no");
        let mistakes = [mistake];
        assert!(draw(&mistakes, true).contains("\x1b["));
        assert!(!draw(&mistakes, false).contains('\x1b'));
    }
}
