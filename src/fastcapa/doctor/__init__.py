"""What `fastcapa doctor` looks at: each module returns findings on one subject and changes nothing."""
