//! Small images described in text.
