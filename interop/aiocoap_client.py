"""One request over OSCORE, made by aiocoap; prints one JSON object.

    venv/bin/python aiocoap_client.py CONTEXT_FOLDER METHOD URI
        [--payload FILE] [--format N] [--block SIZE] [--answer-block SIZE] [--observe N] [--cbor]

The object has `code` and `payload` (hex; with --observe: `payloads`). --cbor adds `cbor`: the decoded payload, map
keys as text and byte strings in hex. Without a protected answer it has `error` and the exit code is 1.
"""

import argparse
import asyncio
import json
import sys

import aiocoap
import aiocoap.error
import aiocoap.oscore
import cbor2


def readable(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [readable(item) for item in value]
    return value


def first_block(size):
    return aiocoap.optiontypes.BlockOption.BlockwiseTuple(0, False, size.bit_length() - 5)


async def exchange(arguments):
    context = await aiocoap.Context.create_client_context()
    try:
        origin = "/".join(arguments.uri.split("/")[:3])
        context.client_credentials.load_from_dict(
            {origin + "/*": {"oscore": {"basedir": arguments.context}}}
        )
        message = aiocoap.Message(code=aiocoap.Code[arguments.method.upper()], uri=arguments.uri)
        if arguments.payload:
            message.payload = open(arguments.payload, "rb").read()
        if arguments.format is not None:
            message.opt.content_format = arguments.format
        if arguments.block:
            message.opt.block1 = first_block(arguments.block)
        if arguments.answer_block:
            message.opt.block2 = first_block(arguments.answer_block)
        if arguments.observe:
            message.opt.observe = 0
        request = context.request(message)
        response = await asyncio.wait_for(request.response, arguments.timeout)
        if not isinstance(response.remote, aiocoap.transports.oscore.OSCOREAddress):
            return {"error": f"the answer {response.code} was not protected"}
        answer = {"code": str(response.code), "payload": response.payload.hex()}
        if arguments.observe:
            payloads = [response.payload]
            numbers = []

            async def gather():
                async for notification in request.observation:
                    payloads.append(notification.payload)
                    numbers.append(notification.opt.observe)
                    if len(payloads) >= arguments.observe:
                        return

            await asyncio.wait_for(gather(), arguments.timeout)
            answer["payloads"] = [payload.hex() for payload in payloads]
            answer["numbers"] = numbers
            request.observation.cancel()
        if arguments.cbor:
            answer["cbor"] = readable(cbor2.loads(response.payload))
        return answer
    except (aiocoap.error.Error, aiocoap.oscore.NotAProtectedMessage, asyncio.TimeoutError, OSError) as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
        if isinstance(error, aiocoap.oscore.NotAProtectedMessage):
            # The outer code of what came instead.
            answer["unprotected"] = str(error.plain_message.code)
        return answer
    finally:
        await context.shutdown()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("context")
    parser.add_argument("method")
    parser.add_argument("uri")
    parser.add_argument("--payload")
    parser.add_argument("--format", type=int)
    parser.add_argument("--block", type=int, help="size of the request's blocks")
    parser.add_argument("--answer-block", type=int, help="size of the answer's blocks")
    parser.add_argument("--observe", type=int)
    parser.add_argument("--cbor", action="store_true")
    parser.add_argument("--timeout", type=float, default=10.0)
    arguments = parser.parse_args()
    answer = asyncio.run(exchange(arguments))
    json.dump(answer, sys.stdout)
    print()
    sys.exit(1 if "error" in answer else 0)


main()
