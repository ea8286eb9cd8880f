"""Fixtures of every test: the real servers, each started when the first test asks for it."""

from tests.support.servers import fresh_mongo_url, kafka, keyring_url, mongo_url, postgres_url, servers

__all__ = ["fresh_mongo_url", "kafka", "keyring_url", "mongo_url", "postgres_url", "servers"]
