"""The demonstration: frames, an embedded broker, the whole probe, and a comparison of every byte."""
