"""An ASGI app that reads the body and answers a constant: what uvicorn alone costs."""

ANSWER = b"virginica\n"
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/csv"), (b"content-length", b"10")],
}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send(START)
    await send({"type": "http.response.body", "body": ANSWER})
