"""Requests to the studio, as its page sends them."""

import asyncio
import base64
import io
import json

import numpy as np
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from preview.studio.server import make_app


def ask(studio, *requests):
    """Each request is (method, path, keywords); gives a list of (status, body, headers)."""

    async def run():
        async with TestClient(TestServer(make_app(studio))) as client:
            answers = []
            for method, path, keywords in requests:
                response = await client.request(method, path, **keywords)
                answers.append((response.status, await response.read(), response.headers))
            return answers

    return asyncio.run(run())


def get(studio, path, **keywords):
    return ask(studio, ("GET", path, keywords))[0]


def post(studio, path, values):
    status, body, _ = ask(studio, ("POST", path, {"json": values}))[0]
    return status, json.loads(body)


CLIP = {
    "picture": "p0",
    "motions": [{"name": "zoom_in", "zoom": 2.0}],
    "seed": 3,
    "frames": 5,
    "width": 64,
    "height": 48,
}


def frames_of(answer):
    return np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in answer["frames"]])
