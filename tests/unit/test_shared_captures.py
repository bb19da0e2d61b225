"""The reference parser reads the whole corpus as its manifest says."""

import contextlib

from support.capture_files import CaptureError, Frame, read_capture
from support.shared_captures import digest, manifest


def test_every_file_is_as_the_manifest_says() -> None:
    for expected in manifest():
        frames: list[Frame] = []
        with contextlib.nullcontext() if not expected.error else contextlib.suppress(CaptureError):
            frames.extend(read_capture(expected.path))
        assert {frame.linktype for frame in frames} <= {expected.linktype}, expected.path
        assert len(frames) == expected.frames, expected.path
        assert sum(len(frame.data) for frame in frames) == expected.bytes, expected.path
        assert digest(frame.data for frame in frames) == expected.sha256, expected.path
