//! Words of the screen without layout, for displays that set their own text.

/// Certainty of an answer, by its most probable class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certainty {
    #[default]
    Sure,
    /// It may be another class.
    NotClear,
    /// No class reaches the confidence limit.
    Unsure,
}

/// Kind of message that the screen has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageKind {
    /// No frame was classified yet.
    #[default]
    Waiting,
    Answer(Certainty),
    /// The frame is so old that it is dimmed, and its answer is no longer shown.
    Stale,
    NoCamera,
}

/// Class beside the first one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Label after "or" or "perhaps".
    pub label: String,
    /// Probability from 1 to 99, in percent.
    pub percent: u8,
}

/// Largest number of candidates.
pub const MAX_CANDIDATES: usize = 3;

/// Up to [`MAX_CANDIDATES`] candidates, whose memory is used again.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    list: [Candidate; MAX_CANDIDATES],
    count: usize,
}

impl PartialEq for Candidates {
    fn eq(&self, other: &Candidates) -> bool {
        self.list[..self.count] == other.list[..other.count]
    }
}

impl Eq for Candidates {}

/// Line at the top of the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeWords {
    /// Wordings of one notice, the longest first.
    pub wordings: Vec<String>,
    /// Whether it is a fault, which has a warning sign.
    pub is_fault: bool,
}

/// Row of the details page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    pub name: &'static str,
    pub value: String,
}

/// Everything that the screen says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScreenWords {
    pub kind: MessageKind,
    /// File of the frame; empty for a camera frame.
    pub source: String,
    /// Label of the answer, "unsure", or the first line of another message.
    pub title: String,
    /// Probability of the answer from 1 to 99, in percent.
    pub percent: u8,
    /// Classes beside the first one.
    pub others: Candidates,
    /// Duration of the answer or age of its frame, such as "for 3 min" or "3 s old"; may be empty.
    pub time: String,
    /// Whether the time is an age: the answer is older than the model's latency explains.
    pub is_late: bool,
    /// Wordings of the second line of a message that is no answer, the longest first.
    pub hints: Vec<String>,
    pub notice: Option<NoticeWords>,
    /// Model, latency and rate, such as "lite2@260, 82 ms, 12 a second"; empty before the first answer.
    pub status: String,
    pub details: Vec<Detail>,
}

impl ScreenWords {
    /// Returns the other classes, the most probable first.
    pub fn candidates(&self) -> &[Candidate] {
        &self.others.list[..self.others.count]
    }

    /// Removes all candidates. Their memory stays for the next ones.
    pub fn clear_candidates(&mut self) {
        self.others.count = 0;
    }

    /// Adds a candidate, unless there are [`MAX_CANDIDATES`].
    pub fn add_candidate(&mut self, label: &str, percent: u8) {
        if let Some(candidate) = self.others.list.get_mut(self.others.count) {
            candidate.label.clear();
            candidate.label.push_str(label);
            candidate.percent = percent;
            self.others.count += 1;
        }
    }

    /// Returns whether the kind of message has an answer.
    pub fn has_answer(&self) -> bool {
        matches!(self.kind, MessageKind::Answer(_))
    }

    /// Returns the word before the candidate at `index`: "perhaps" for the first guess of an unsure answer, else "or".
    pub fn conjunction(&self, index: usize) -> &'static str {
        match self.kind {
            MessageKind::Answer(Certainty::Unsure) if index == 0 => "perhaps",
            _ => "or",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourth_candidate_is_left_out() {
        let mut words = ScreenWords::default();
        ["ox", "hen", "jay", "ram"].iter().for_each(|label| words.add_candidate(label, 5));
        let labels: Vec<&str> = words.candidates().iter().map(|candidate| candidate.label.as_str()).collect();
        assert_eq!(labels, ["ox", "hen", "jay"]);
        words.clear_candidates();
        assert!(words.candidates().is_empty());
    }

    #[test]
    fn unsure_answer_begins_with_perhaps() {
        let conjunctions = |kind| [0, 1].map(|index| ScreenWords { kind, ..ScreenWords::default() }.conjunction(index));
        assert_eq!(conjunctions(MessageKind::Answer(Certainty::Unsure)), ["perhaps", "or"]);
        assert_eq!(conjunctions(MessageKind::Answer(Certainty::NotClear)), ["or", "or"]);
    }
}
