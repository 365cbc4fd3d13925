@manual-page-42
Feature: Cloud Connect Operation keeps a permanent connection
  When Cloud Connect Operation is enabled, the PBX keeps a permanent connection to the Cloud Connect infrastructure (CCI).
  A one-time account opens the first connection; the CCI then gives the PBX its final credentials.

  Background:
    Given an OXO Connect that Cloud Connect knows

  Rule: The one-time account opens the first connection, the final credentials every later one

    Scenario: The first connection
      When Cloud Connect is enabled in OMC
      Then the PBX is connected to the CCI
      And the PBX registered with its one-time account
      And OMC shows "Connected with final credentials" for Cloud Connect

    Scenario Outline: Every later connection, after <happens>
      Given the PBX was connected to the CCI
      When <happens>
      Then the PBX is connected to the CCI again
      And the PBX registered with its final credentials

      Examples:
        | happens                                            |
        | the CCI drops the PBX                              |
        | the PBX restarts                                   |
        | Cloud Connect is disabled and enabled again in OMC |

    Scenario: A wrong one-time password
      Given the one-time password in OMC is wrong
      When Cloud Connect is enabled in OMC
      And 5 minutes pass
      Then no PBX has logged in at the CCI
      And the PBX tried at least 3 times

  Rule: The connection is permanent while Cloud Connect is enabled

    Scenario: An hour without any request
      Given the PBX was connected to the CCI
      When 1 hour passes
      Then the connection to the CCI is still the same

    Scenario: A firewall that is opened later
      Given the firewall is rejecting
      And Cloud Connect was enabled in OMC
      And 2 minutes have passed
      When the firewall becomes permissive
      Then the PBX becomes connected to the CCI

    Scenario: Cloud Connect is disabled
      Given the PBX was connected to the CCI
      When Cloud Connect is disabled in OMC
      Then the PBX is not connected to the CCI
      And the PBX is silent for 1 hour

    Scenario Outline: The CCI's place is taken by somebody with a certificate of <kind>
      Given the CCI shows a certificate of <kind>
      When Cloud Connect is enabled in OMC
      And 5 minutes pass
      Then no PBX has logged in at the CCI
      And the PBX tried at least 3 times

      Examples:
        | kind                 |
        | a wrong name         |
        | an expired date      |
        | an unknown authority |

    Scenario: The CCI goes silent
      Given the PBX was connected to the CCI
      When the CCI goes silent
      And 5 minutes pass
      And the CCI works again
      Then the PBX is connected to the CCI again

  @manual-3.5.2.1
  Rule: CCCtrlA uses the same proxy configuration as Cloud Connect Operation

    Background:
      Given Rainbow knows the PBX too

    Scenario: Both links run through the proxy that is set in OMC
      Given the firewall is proxy-only
      And the web proxy is configured in OMC
      When Cloud Connect and Rainbow are enabled in OMC
      Then the PBX is connected to the CCI
      And the WSS link is up
      And the PBX asked the web proxy for both links
      And the PBX sends nothing to the Internet itself

    Scenario: Changing the proxy in OMC moves both links
      Given both links were brought up
      When the web proxy is configured in OMC and both links come up again
      Then the PBX asked the web proxy for both links

    Scenario: Removing the proxy in OMC moves both links
      Given the web proxy is configured in OMC
      And both links were brought up
      When the web proxy is removed in OMC and both links come up again
      Then both links run directly

    Scenario: Both links use the proxy's account
      Given the web proxy asks for an account
      And the web proxy is configured in OMC with that account
      When Cloud Connect and Rainbow are enabled in OMC
      Then the PBX is connected to the CCI
      And the WSS link is up
      And the PBX asked the web proxy for both links

    @vpn
    Scenario: A site where only the proxy and DNS may go out registers and fails the VPN
      Given the firewall follows the customer's own rules:
        """
        ip saddr $proxy accept
        udp dport 53 accept
        """
      And the web proxy is configured in OMC
      And the PBX was connected to the CCI
      When an application asks for a VPN connection
      Then the request fails with "gateway-unreachable"
      And the connection to the CCI is still the same
      And the firewall let nothing of the VPN out
