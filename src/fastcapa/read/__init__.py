"""Kafka to packets: reader, order, capture files."""
