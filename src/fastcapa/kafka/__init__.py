"""Control side of Kafka: properties, topics, the embedded broker of the demo."""
