//! Draws mistakes in recipes as rustc does.

use std::sync::Arc;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};
use casehard::error::{Diagnostic, Source};

use casehard::escape::{is_misleading, printable};

/// Draws each mistake with its lines, and a blank line after it.
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
    let own = (&diagnostic.at, &diagnostic.label, AnnotationKind::Primary);
    let related = diagnostic.related.iter();
    let related = related.map(|(at, label)| (at, label, AnnotationKind::Context));
    let mut sources: Vec<(&Arc<Source>, Vec<Annotation<'_>>)> = Vec::new();
    for (at, label, kind) in [own].into_iter().chain(related) {
        let text = &at.source.text;
        let offset = |at: usize| masked(text.get(..at).unwrap_or(text)).len();
        let mut mark = kind.span(offset(at.start)..offset(at.end));
        if !label.is_empty() {
            mark = mark.label(printable(label));
        }
        let known = sources
            .iter_mut()
            .find(|(source, _)| Arc::ptr_eq(source, &at.source));
        match known {
            Some((_, marks)) => marks.push(mark),
            None => sources.push((&at.source, vec![mark])),
        }
    }
    let snippets = sources.into_iter().map(|(source, marks)| {
        // A last line for marks at the end of a text, which annotate-snippets would draw on the line before.
        let snippet = Snippet::source(masked(&source.text) + " ");
        snippet.path(printable(&source.name)).annotations(marks)
    });
    let title = Level::ERROR.primary_title(printable(&diagnostic.message));
    let mut group = title.elements(snippets);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    renderer.render(&[group])
}

/// Replaces each character that a terminal would obey by one that shows, so that columns stay.
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
    use casehard::error::Span;

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
