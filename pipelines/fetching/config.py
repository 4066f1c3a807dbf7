"""The `fetch` section of a job's config. It loads without aiohttp and Beam."""

from __future__ import annotations

import logging
from ipaddress import ip_network
from typing import Self

from pydantic import Field, field_validator

from schemas.config import Config
from schemas.errors import ConfigError

LOG = logging.getLogger(__name__)


class FetchConfig(Config):
    """How pictures are fetched. No setting changes the bytes of a fetched picture."""

    concurrency: int = Field(128, ge=1, le=4096, description="pictures in flight at once in a worker")
    per_host: int = Field(
        32,
        ge=0,
        le=4096,
        description="pictures in flight from one host, over all workers of the job; 0: no limit",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Beam workers that share per_host; null: as many as the runner's options say",
    )
    deadline: float = Field(
        20.0,
        gt=0,
        le=3600,
        description="seconds for one picture in all: DNS, connect, redirects, retries, the whole body",
    )
    connect_timeout: float = Field(5.0, gt=0, le=600, description="seconds for one attempt to connect")
    max_bytes: int = Field(20_000_000, ge=1, le=2_000_000_000, description="bytes of one picture")
    max_redirects: int = Field(5, ge=0, le=20, description="redirects followed for one picture")
    retries: int = Field(
        2, ge=0, le=10, description="further attempts after errors that can pass: timeouts, resets, 429, 5xx"
    )
    backoff: float = Field(
        0.5, ge=0, le=60, description="seconds before the first further attempt; doubles each time"
    )
    user_agent: str = Field(
        "Mozilla/5.0 (compatible; zoetrope/0.1)",
        min_length=1,
        description="the User-Agent header: say who you are",
    )
    respect_opt_out: bool = Field(
        True, description="honour X-Robots-Tag noai, noimageai, noindex, noimageindex"
    )
    allow_private: bool = Field(
        False, description="also fetch from loopback, private, link-local and metadata addresses"
    )
    allowed_networks: tuple[str, ...] = Field(
        (),
        description="networks that are fetched from although not public, such as [10.1.0.0/16] for a mirror",
    )
    ahead: int = Field(
        1000, ge=1, le=100_000, description="pictures fetched ahead of the one that is being rendered"
    )
    ahead_bytes: int = Field(
        256_000_000, ge=1, description="bytes held of those by all tasks of a worker; beyond it fetches wait"
    )

    def shared_by(self, workers: int | None, where: str) -> Self:
        """The share of one of the Beam workers: `per_host` divided by their number, rounded down.

        `workers` is the number by the runner's options, None if they do not say it; `where` describes them.
        Raises ConfigError if there are more workers than `per_host`: each needs one connection.
        """
        workers = self.workers or workers
        if workers is None:
            LOG.warning(
                f"fetch.per_host={self.per_host} holds for each worker: {where} does not say how many there "
                "are; give their number as fetch.workers"
            )
            return self
        if 0 < self.per_host < workers:
            raise ConfigError(
                f"fetch.per_host={self.per_host} cannot be shared by {workers} workers ({where}), because "
                f"each needs one connection; take fewer workers, or set fetch.per_host={workers} or more"
            )
        return self.model_copy(update={"per_host": self.per_host // workers})

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ip_network(network)  # its ValueError names the value and the mistake
        return networks

    @field_validator("user_agent")
    @classmethod
    def _one_header_line(cls, agent: str) -> str:
        if not agent.isprintable() or not agent.isascii():
            raise ValueError(f"{agent!r} must be one line of printable ASCII")
        return agent
