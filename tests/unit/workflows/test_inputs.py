"""What is kept of an input is an input again."""

from pydantic import BaseModel, Field

from workflows.services.inputs import dumped


class Letter(BaseModel):
    sender: str = Field(alias="from")


def test_an_input_has_the_names_of_its_schema_when_it_is_read_again():
    letter = Letter(**{"from": "Anna"})

    assert Letter.model_validate(dumped(letter, what="")) == letter
