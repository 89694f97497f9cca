//! Files from the Hugging Face hub, pinned and verified.
