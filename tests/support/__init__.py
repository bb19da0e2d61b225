"""What the tests stand on: frames, capture files, namespaces, a broker and an independent reader."""
