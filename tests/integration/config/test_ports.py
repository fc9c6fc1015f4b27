import socket

import pytest

from config.ports import PortError, free_port, is_free, require_free


def test_a_port_that_somebody_listens_on_is_taken() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(PortError, match=rf"Port {port} is taken.*make up FLOWER_PORT=\d+"):
            require_free("127.0.0.1", port, setting="FLOWER_PORT")


def test_a_free_port_may_be_taken() -> None:
    require_free("127.0.0.1", free_port(), setting="PORT")


def test_a_host_of_another_machine_is_not_called_a_taken_port() -> None:
    with pytest.raises(PortError, match=r"Nothing can listen on 192\.0\.2\.1.*HOST"):
        require_free("192.0.2.1", 8000, setting="PORT")
