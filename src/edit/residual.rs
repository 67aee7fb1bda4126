//! What hardening leaves open.

use std::fmt;

use bstr::ByteSlice;

use crate::rootfs::Place;

/// Something that a rule could not close.
///
/// Its [`Display`](fmt::Display) is one line: place and message. Names from the image are in it as they are; print it through
/// [`printable`](crate::escape::printable).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Residual {
    /// The rule, by its position in the plan; none if it concerns the image as a whole.
    pub rule: Option<usize>,
    /// The file of the image that it is about, if there is one.
    pub place: Option<Place>,
    /// What stays open, in one sentence.
    pub message: String,
    /// Which sort of gap it is.
    pub kind: ResidualKind,
}

/// The sort of a [`Residual`]: reports group by it, and it decides how severe the residual is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ResidualKind {
    /// A masked or replaced unit, or its program, can still be started in another way.
    OtherStart,
    /// A user keeps a privilege through a source that the rule does not edit.
    OtherGrant,
    /// The file that a rule removed or neutralised is still there under another name.
    OtherName,
    /// A program's configuration is overridden from elsewhere.
    Override,
    /// Something restores the old state when the system boots.
    RevertedAtBoot,
    /// A package manager restores the old state at the next upgrade or trigger.
    RevertedByPackages,
    /// A store or a signature holds the edited file by its checksum.
    Sealed,
    /// The image contains an image or archive that casehard did not look inside.
    NotInspected,
    /// A unit that the image keeps cannot start any more, because it requires a masked one.
    CannotStart,
    /// The edits need a further step of the build before the image boots or deploys.
    NeedsRebuild,
    /// A setting from outside the image decides.
    OutsideImage,
}

/// How much a residual matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// It comes back later, or may not apply.
    Low,
    /// Someone has to look: it may be open, or does not work without a further step.
    Medium,
    /// It is open.
    High,
}

impl Severity {
    /// Returns its stable name: `high`, `medium` or `low`.
    pub fn id(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl ResidualKind {
    /// Every kind, most severe first.
    pub const ALL: [Self; 11] = [
        Self::OtherStart,
        Self::OtherGrant,
        Self::OtherName,
        Self::Override,
        Self::RevertedAtBoot,
        Self::Sealed,
        Self::NotInspected,
        Self::CannotStart,
        Self::NeedsRebuild,
        Self::OutsideImage,
        Self::RevertedByPackages,
    ];

    /// Returns its stable name, such as `other-start`.
    pub fn id(self) -> &'static str {
        match self {
            Self::OtherStart => "other-start",
            Self::OtherGrant => "other-grant",
            Self::OtherName => "other-name",
            Self::Override => "override",
            Self::RevertedAtBoot => "reverted-at-boot",
            Self::RevertedByPackages => "reverted-by-packages",
            Self::Sealed => "sealed",
            Self::NotInspected => "not-inspected",
            Self::CannotStart => "cannot-start",
            Self::NeedsRebuild => "needs-rebuild",
            Self::OutsideImage => "outside-image",
        }
    }

    /// Returns how much it matters.
    pub fn severity(self) -> Severity {
        match self {
            Self::OtherStart
            | Self::OtherGrant
            | Self::OtherName
            | Self::Override
            | Self::RevertedAtBoot
            | Self::Sealed => Severity::High,
            Self::NotInspected | Self::CannotStart | Self::NeedsRebuild | Self::OutsideImage => {
                Severity::Medium
            }
            Self::RevertedByPackages => Severity::Low,
        }
    }
}

impl Residual {
    /// Returns what one rule could not close.
    pub(crate) fn of(
        rule: usize,
        kind: ResidualKind,
        place: impl Into<Option<Place>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            rule: Some(rule),
            place: place.into(),
            message: message.into(),
            kind,
        }
    }

    /// Returns the stable name of its kind.
    pub fn id(&self) -> &'static str {
        self.kind.id()
    }

    /// Returns how much it matters.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// Returns what residuals are sorted by: the most severe first, then by rule and place.
    pub(crate) fn rank(&self) -> (std::cmp::Reverse<Severity>, Option<usize>, &Option<Place>) {
        (std::cmp::Reverse(self.severity()), self.rule, &self.place)
    }

    /// The line that [`Display`](fmt::Display) shows, byte by byte.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = self.place.as_ref().map_or(Vec::new(), Place::to_bytes);
        if !line.is_empty() {
            line.extend_from_slice(b": ");
        }
        line.extend_from_slice(self.message.as_bytes());
        line
    }
}

impl fmt::Display for Residual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line().to_str_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_ids_of_their_own_and_are_sorted_by_severity() {
        let ids: std::collections::BTreeSet<_> = ResidualKind::ALL.map(ResidualKind::id).into();
        assert_eq!(ids.len(), ResidualKind::ALL.len());
        assert!(ResidualKind::ALL.is_sorted_by_key(|kind| std::cmp::Reverse(kind.severity())));
    }

    #[test]
    fn a_residual_shows_its_place() {
        let residual = Residual {
            rule: None,
            place: Some(Place::new("/etc/sudoers", 3)),
            message: "grants sudo to core by name".into(),
            kind: ResidualKind::OtherGrant,
        };
        assert_eq!(
            residual.to_string(),
            "/etc/sudoers:3: grants sudo to core by name"
        );
    }
}
