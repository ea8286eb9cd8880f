"""The query API of the views, and what operators do with them."""

from services.projections.api.agenda import agenda
from services.projections.api.customers import customers
from services.projections.api.directory import directory
from services.projections.api.erasures import erasures
from services.projections.api.operations import operations
from services.projections.api.policies import Policies, policies
from services.projections.api.views import views

__all__ = ["Policies", "agenda", "customers", "directory", "erasures", "operations", "policies", "views"]
