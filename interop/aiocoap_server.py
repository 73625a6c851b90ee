"""An OSCORE server made of aiocoap, with the resources that `oscore-peer serve` has.

    venv/bin/python aiocoap_server.py CONTEXT_FOLDER PORT

/hello GET, /large GET, /store GET and PUT, /ticks observable; without OSCORE every request gets 4.01.
"""

import asyncio
import sys

import aiocoap
import aiocoap.credentials
import aiocoap.error
import aiocoap.resource
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from aiocoap.transports.oscore import OSCOREAddress

LARGE = bytes((index * 7 + index // 256) % 256 for index in range(3000))


class Protected:
    """Refuses what did not come over OSCORE."""

    async def render(self, request):
        if not isinstance(request.remote, OSCOREAddress):
            raise aiocoap.error.Unauthorized()
        return await super().render(request)


class Constant(Protected, aiocoap.resource.Resource):
    def __init__(self, payload):
        super().__init__()
        self.payload = payload

    async def render_get(self, request):
        return aiocoap.Message(payload=self.payload)


class Store(Protected, aiocoap.resource.Resource):
    content = b""

    async def render_get(self, request):
        return aiocoap.Message(payload=self.content)

    async def render_put(self, request):
        self.content = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED)


class Ticks(Protected, aiocoap.resource.ObservableResource):
    count = 0

    async def run(self):
        while True:
            await asyncio.sleep(0.2)
            self.count += 1
            self.updated_state()

    async def render_get(self, request):
        return aiocoap.Message(payload=b"tick %d" % self.count)


async def main(context_folder, port):
    site = aiocoap.resource.Site()
    site.add_resource(["hello"], Constant(b"hello from aiocoap"))
    site.add_resource(["large"], Constant(LARGE))
    site.add_resource(["store"], Store())
    ticks = Ticks()
    site.add_resource(["ticks"], ticks)

    credentials = aiocoap.credentials.CredentialsMap()
    credentials.load_from_dict({":peer": {"oscore": {"basedir": context_folder}}})
    context = await aiocoap.Context.create_server_context(
        OscoreSiteWrapper(site, credentials), bind=("127.0.0.1", port)
    )
    print("ready", flush=True)
    try:
        await ticks.run()
    finally:
        await context.shutdown()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
