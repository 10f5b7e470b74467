"""V2's inference requests over gRPC; the first byte chooses the schema."""

from fuzz.mutations import mutate
from fuzz.target import Target, fuzz, instrumented

with instrumented():
    from mlserver.grpc import dataplane_pb2 as pb

    from fuzz.request_bodies import REFUSALS, behind_first_byte, chosen
    from fuzz.v2_requests import raw, read_inputs, tensors
    from mlserver_forest.serving.v2.grpc_codec import _FIELDS, _plain_row, request_from
    from mlserver_forest.serving.v2.grpc_request import read_request


def samples():
    for inputs in tensors():
        for is_raw in (True, False):
            message = pb.ModelInferRequest(model_name="forest", id="1")
            message.parameters["content_type"].string_param = "np"
            message.outputs.add(name="predict").parameters["binary_data"].bool_param = True
            for name, datatype, array in inputs:
                tensor = message.inputs.add(name=name, datatype=datatype, shape=array.shape)
                if is_raw:
                    message.raw_input_contents.append(raw(datatype, array))
                elif datatype in _FIELDS:
                    getattr(tensor.contents, _FIELDS[datatype]).extend(array.ravel().tolist())
            yield b"\0" + message.SerializeToString()


def read(data):
    choice, body = chosen(data)
    message = read_request(body)
    _plain_row(message)
    read_inputs(request_from(message), choice)


TARGET = Target("v2_grpc", samples, read, REFUSALS, behind_first_byte(mutate))
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
