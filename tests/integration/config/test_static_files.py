import pytest
from django.contrib.staticfiles import finders
from django.test import AsyncClient, Client

pytestmark = pytest.mark.django_db(transaction=True)
STYLE = "/static/streaming/site.css"


def test_a_static_file_is_served_and_one_that_is_not_there_is_not(client: Client) -> None:
    answer = client.get(STYLE)
    assert (answer.status_code, answer["Content-Type"]) == (200, 'text/css; charset="utf-8"')
    with open(finders.find("streaming/site.css"), "rb") as file:
        assert answer.getvalue() == file.read()
    answer.close()
    assert client.get("/static/streaming/absent.css").status_code == 404


async def test_so_it_is_where_views_are_asynchronous() -> None:
    answer = await AsyncClient().get(STYLE)
    assert answer.status_code == 200
    answer.close()
    assert (await AsyncClient().get("/static/absent.css")).status_code == 404
    assert (await AsyncClient().get("/healthz")).status_code == 200
