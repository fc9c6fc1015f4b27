from collections.abc import Generator, Iterator

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from workflows.definitions import Retry, Workflow, registry, step
from workflows.errors import DefinitionError, UnknownWorkflow


class Order(BaseModel):
    name: str


class Note(BaseModel):
    text: str


@step(title="Working")
def work(ctx) -> None: ...


def test_the_output_of_a_generator_is_what_it_returns():
    @step(title="Listing", items=Note)
    def list_parts(ctx) -> Generator[Note, None, int]:
        yield Note(text="shade")
        return 1

    assert list_parts.is_streaming
    assert list_parts.output.validate_python(1) == 1


@pytest.mark.parametrize(
    ("aliases", "config"),
    [
        ({"alias": "type"}, {}),
        ({"alias": "type"}, {"populate_by_name": True}),
        ({"validation_alias": "type"}, {"validate_by_name": True, "validate_by_alias": True}),
        ({"validation_alias": AliasChoices("sort", "type"), "serialization_alias": "type"}, {}),
    ],
)
def test_items_may_have_aliases_if_they_are_read_as_they_are_stored(aliases, config):
    class Both(BaseModel):
        model_config = ConfigDict(**config)

        kind: str = Field(**aliases)

    @step(title="Listing", items=Both, item_key="kind")
    def list_parts(ctx) -> Iterator[Both]:
        yield Both(type="a")

    stored = Both(type="a").model_dump(mode="json", by_alias=True)
    assert list_parts.items is Both
    assert Both.model_validate(stored).kind == "a"


def test_an_iterator_step_has_no_output():
    @step(title="Listing", items=Note)
    def list_parts(ctx) -> Iterator[Note]:
        yield Note(text="shade")

    assert list_parts.output.validate_python(None) is None


def declare_async():
    @step(title="x")
    async def broken(ctx) -> None: ...


def declare_without_annotation():
    @step(title="x")
    def broken(ctx): ...


def declare_with_two_arguments():
    @step(title="x")
    def broken(ctx, other) -> None: ...


def declare_items_without_yield():
    @step(title="x", items=Note)
    def broken(ctx) -> None:
        return None


def declare_yield_without_items():
    @step(title="x")
    def broken(ctx) -> Iterator[Note]:
        yield Note(text="")


def declare_unknown_item_key():
    @step(title="x", items=Note, item_key="nothing")
    def broken(ctx) -> Iterator[Note]:
        yield Note(text="")


class Aliased(BaseModel):
    kind: str = Field(validation_alias="type")


class Hiding(BaseModel):
    id: str = Field(exclude=True)


def declare_items_that_cannot_be_read_again():
    @step(title="x", items=Aliased)
    def broken(ctx) -> Iterator[Aliased]:
        yield Aliased(type="")


def declare_item_key_that_is_not_stored():
    @step(title="x", items=Hiding, item_key="id")
    def broken(ctx) -> Iterator[Hiding]:
        yield Hiding(id="")


def declare_unknown_policy():
    @step(title="x", items=Note, on_retry="restart")
    def broken(ctx) -> Iterator[Note]:
        yield Note(text="")


def declare_policy_without_items():
    @step(title="x", on_retry="replace")
    def broken(ctx) -> None: ...


def declare_no_time():
    @step(title="x", timeout=0)
    def broken(ctx) -> None: ...


def declare_no_attempts():
    Retry(attempts=0)


def declare_two_undos():
    @step(title="x")
    def broken(ctx) -> None: ...

    broken.undo(lambda ctx, output: None)
    broken.undo(lambda ctx, output: None)


def declare_undo_that_yields():
    @step(title="x")
    def broken(ctx) -> None: ...

    @broken.undo
    def unbreak(ctx, output):
        yield


def declare_undo_without_output():
    @step(title="x")
    def broken(ctx) -> None: ...

    broken.undo(lambda ctx: None)


def declare_workflow_without_steps():
    Workflow("broken", version=1, input=Order, title="x", steps=[])


def declare_workflow_with_a_plain_function():
    Workflow("broken", version=1, input=Order, title="x", steps=[lambda ctx: None])


def declare_workflow_with_a_step_twice():
    Workflow("broken", version=1, input=Order, title="x", steps=[work, work])


def declare_workflow_with_an_unknown_field_in_its_title():
    Workflow("broken", version=1, input=Order, title="For {nobody}", steps=[work])


def declare_workflow_that_cannot_undo_anything():
    Workflow("broken", version=1, input=Order, title="x", steps=[work], on_failure="compensate")


@pytest.mark.parametrize(
    ("declare", "mend"),
    [
        (declare_async, "write def"),
        (declare_without_annotation, "annotate"),
        (declare_with_two_arguments, "ctx.output"),
        (declare_items_without_yield, "never yields"),
        (declare_yield_without_items, "items="),
        (declare_unknown_item_key, "no field"),
        (declare_items_that_cannot_be_read_again, "one alias for both"),
        (declare_item_key_that_is_not_stored, "is not stored"),
        (declare_unknown_policy, "none of keep, replace, append"),
        (declare_policy_without_items, "it yields none"),
        (declare_no_time, "seconds above 0"),
        (declare_no_attempts, "attempts=1"),
        (declare_two_undos, "already"),
        (declare_undo_that_yields, "would never run"),
        (declare_undo_without_output, r"\(ctx, output\)"),
        (declare_workflow_without_steps, "no steps"),
        (declare_workflow_with_a_plain_function, "decorate it"),
        (declare_workflow_with_a_step_twice, "rename"),
        (declare_workflow_with_an_unknown_field_in_its_title, "nobody"),
        (declare_workflow_that_cannot_undo_anything, "@step.undo"),
    ],
)
def test_wrong_wiring_fails_at_import_and_names_the_mend(declare, mend):
    with pytest.raises(DefinitionError, match=mend):
        declare()


def test_the_newest_version_is_found_unless_one_is_named():
    old = Workflow("test-versions", version=1, input=Order, title="x", steps=[work])
    new = Workflow("test-versions", version=2, input=Order, title="x", steps=[work])
    try:
        assert registry.find("test-versions") is new
        assert registry.find("test-versions", version=1) is old
        with pytest.raises(UnknownWorkflow, match="no version 3"):
            registry.find("test-versions", version=3)
        with pytest.raises(DefinitionError, match="raise the version"):
            Workflow("test-versions", version=2, input=Order, title="x", steps=[work])
    finally:
        registry.forget(old)
        registry.forget(new)


def test_a_workflow_nobody_defines_is_named_with_those_that_are():
    with pytest.raises(UnknownWorkflow, match="known are"):
        registry.find("nothing-of-this-name")
