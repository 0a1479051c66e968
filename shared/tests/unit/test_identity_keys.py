from pathlib import Path

import orjson
import pytest
from joserfc.jwk import OKPKey

from switchboard.http.identity_keys import (
    new_key,
    public_set,
    read_key_file,
    read_keys,
    signing_key,
)


def test_the_private_part_of_a_key_is_never_published(key: OKPKey) -> None:
    [published] = public_set([key])["keys"]

    assert "d" not in published
    assert published["kid"] == "k1"


def test_an_invalid_key_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    for text in ("", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AA"}]}'):
        file.write_text(text)
        with pytest.raises(ValueError, match=str(file)):
            read_key_file(file)


def test_the_first_private_key_signs(key: OKPKey) -> None:
    old = read_keys(orjson.dumps(public_set([new_key("old")])))

    assert signing_key([*old, key]) is key
    with pytest.raises(ValueError, match="no private key"):
        signing_key(old)
