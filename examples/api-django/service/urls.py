from django.urls import path

from . import views

urlpatterns = [
    path("public", views.Public.as_view()),
    path("me", views.Me.as_view()),
    path("reports", views.Reports.as_view()),
]
