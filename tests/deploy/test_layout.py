"""The packages that are imported are the project's own: their names are generic and could clash."""

import deploy
import services
import shared
from deploy.embedded.home import PROJECT


def test_the_packages_lie_in_the_project() -> None:
    for package in (deploy, services, shared):
        assert package.__file__ is not None
        assert package.__file__.startswith(str(PROJECT))
